#ifndef EPLB_SERVER_APP_LIBRARY_LOGS_H_
#define EPLB_SERVER_APP_LIBRARY_LOGS_H_

#include "server/log/logger.h"

namespace eplb {

// Sends what gRPC and protobuf write to standard error to the log instead, as long as it lives. Their interfaces are
// plain functions, so there can be one at a time.
class LibraryLogs {
 public:
  // The logger must outlive it.
  explicit LibraryLogs(Logger& logger);
  ~LibraryLogs();
  LibraryLogs(const LibraryLogs&) = delete;
  LibraryLogs& operator=(const LibraryLogs&) = delete;
};

}  // namespace eplb

#endif  // EPLB_SERVER_APP_LIBRARY_LOGS_H_
