#ifndef EPLB_SERVER_APP_RUN_SERVER_H_
#define EPLB_SERVER_APP_RUN_SERVER_H_

#include "server/config/config.h"

namespace eplb {

// Serves until SIGTERM or SIGINT, drains, and returns the exit code of the process: 0 after a drain, 1 where the
// server could not start; why is in the log. Call from main's thread before any other is started.
int RunServer(const Config& config);

}  // namespace eplb

#endif  // EPLB_SERVER_APP_RUN_SERVER_H_
