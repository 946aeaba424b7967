#include "server/app/stop_signals.h"

#include <pthread.h>
#include <unistd.h>

#include "server/base/check.h"

namespace eplb {
namespace {

// A handler, not the default action: the kernel does not apply that to a container's first process.
void EndAtOnce(int /*signal*/) { _exit(1); }

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  EPLB_CHECK(sigaction(signal, &action, nullptr) == 0);
}

}  // namespace

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  EPLB_CHECK(pthread_sigmask(SIG_BLOCK, &signals_, nullptr) == 0);
  Handle(SIGPIPE, SIG_IGN);
}

const char* StopSignals::Wait() {
  int signal = 0;
  EPLB_CHECK(sigwait(&signals_, &signal) == 0);
  Handle(SIGTERM, EndAtOnce);
  Handle(SIGINT, EndAtOnce);
  EPLB_CHECK(pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr) == 0);
  return signal == SIGINT ? "SIGINT" : "SIGTERM";
}

}  // namespace eplb
