#ifndef EPLB_SERVER_APP_STOP_SIGNALS_H_
#define EPLB_SERVER_APP_STOP_SIGNALS_H_

#include <csignal>

namespace eplb {

// SIGTERM and SIGINT, as a request to drain; a further one ends the process at once, with exit code 1. Make one, in
// main's thread, before any other thread is started: threads inherit that the signals are held back. SIGPIPE is
// ignored, so that a closed standard error ends nothing.
class StopSignals {
 public:
  StopSignals();

  // Blocks until a stop is asked for, and returns the signal's name. From then on a further signal ends the process.
  const char* Wait();

 private:
  sigset_t signals_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_APP_STOP_SIGNALS_H_
