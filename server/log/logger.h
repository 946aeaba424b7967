#ifndef EPLB_SERVER_LOG_LOGGER_H_
#define EPLB_SERVER_LOG_LOGGER_H_

#include <initializer_list>
#include <memory>
#include <string_view>

#include "server/base/clock.h"
#include "server/log/log_field.h"
#include "server/log/log_limiter.h"

namespace spdlog {
class logger;
namespace details {
class thread_pool;
}
namespace sinks {
class sink;
}
}  // namespace spdlog

namespace eplb {

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat { kText, kJson };

struct LoggerOptions {
  LogLevel level = LogLevel::kInfo;  // the least that is written
  LogFormat format = LogFormat::kText;
  // Lines of one event in kLimitWindow; of warnings and errors, of information. Trace and debug have no limit.
  int most_warnings = 20;
  int most_informations = 100;
};

// The log of the process: one line for each event, as "time=... level=info event=server_ready key=value" or as a JSON
// object with the same keys. Repeated events are left out past a bound and counted in "left_out" of the next one.
//
// Lines are written by a thread of the logger's own from a bounded queue whose oldest line makes room when nobody
// reads: a full pipe never stops the service. Thread-safe.
class Logger {
 public:
  static constexpr absl::Duration kLimitWindow = absl::Seconds(10);

  // Writes to standard error.
  Logger(const LoggerOptions& options, const Clock& clock);
  // Writes to a sink of the caller's.
  Logger(const LoggerOptions& options, const Clock& clock, std::shared_ptr<spdlog::sinks::sink> sink);
  // Writes what is queued.
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // `event` is a literal in snake_case. Nothing secret belongs into the fields.
  void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

  bool enabled(LogLevel level) const { return level >= options_.level && level != LogLevel::kOff; }

 private:
  const LoggerOptions options_;
  LogLimiter limiter_;
  std::shared_ptr<spdlog::details::thread_pool> writer_;  // outlives logger_
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_LOG_LOGGER_H_
