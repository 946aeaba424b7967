#include "server/app/library_logs.h"

#include <google/protobuf/stubs/common.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>

#include "server/base/check.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {
namespace {

// The libraries' threads may log while the bridge is taken down, so the pointer is guarded.
struct Target {
  Mutex mutex;
  Logger* logger EPLB_GUARDED_BY(mutex) = nullptr;

  void Set(Logger* value) EPLB_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    logger = value;
  }

  void Log(LogLevel level, const char* library, std::string_view file, int line, std::string_view message)
      EPLB_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    if (logger == nullptr) return;
    logger->Log(level, "library_message", {{"library", library}, {"file", file}, {"line", line}, {"message", message}});
  }
};

Target& TheTarget() {
  static Target* const target = new Target;
  return *target;
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// What gRPC calls an error is mostly a peer's; none of it stops the service.
void LogGrpc(gpr_log_func_args* arguments) {
  const LogLevel level = arguments->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug;
  TheTarget().Log(level, "grpc", BaseName(arguments->file), arguments->line, arguments->message);
}

void LogProtobuf(google::protobuf::LogLevel /*level*/, const char* file, int line, const std::string& message) {
  TheTarget().Log(LogLevel::kWarning, "protobuf", BaseName(file), line, message);
}

}  // namespace

LibraryLogs::LibraryLogs(Logger& logger) {
  TheTarget().Set(&logger);
  gpr_set_log_function(LogGrpc);
  google::protobuf::SetLogHandler(LogProtobuf);
}

LibraryLogs::~LibraryLogs() {
  TheTarget().Set(nullptr);
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function(nullptr);
}

}  // namespace eplb
