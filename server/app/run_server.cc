#include "server/app/run_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "server/app/app.h"
#include "server/app/library_logs.h"
#include "server/app/options_from_config.h"
#include "server/app/stop_signals.h"
#include "server/base/check.h"
#include "server/base/clock.h"

namespace eplb {
namespace {

// A closed standard stream would give its number to the next socket, and the log would be written into that.
void OpenStandardStreams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (fcntl(stream, F_GETFD) < 0) EPLB_CHECK(open("/dev/null", O_RDWR) == stream);
  }
}

// Debian builds Abseil, whose locks gRPC takes several times for every message, so that each of them looks for a
// possible deadlock. That is for the builds that are tested.
void StopLookingForDeadlocks() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace

int RunServer(const Config& config) {
  OpenStandardStreams();
  StopLookingForDeadlocks();
  StopSignals signals;
  Logger logger(LoggerOptionsOf(config), RealClock());
  const LibraryLogs library_logs(logger);
  const absl::StatusOr<std::unique_ptr<App>> app = App::Start(config, logger);
  if (!app.ok()) {
    logger.Log(LogLevel::kError, "cannot_start", {{"error", std::string(app.status().message())}});
    return 1;
  }
  logger.Log(LogLevel::kInfo, "stop_requested", {{"signal", signals.Wait()}});
  (*app)->Drain();
  return 0;
}

}  // namespace eplb
