#include "server/log/logger.h"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <limits>
#include <string>
#include <utility>

namespace eplb {
namespace {

constexpr std::size_t kQueuedLines = 8192;
constexpr char kTextPattern[] = "time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v";
constexpr char kJsonPattern[] = "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%v}";

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

int MostPerWindow(LogLevel level, const LoggerOptions& options) {
  if (level >= LogLevel::kWarning) return options.most_warnings;
  return level == LogLevel::kInfo ? options.most_informations : std::numeric_limits<int>::max();
}

std::string FormatLine(LogFormat format, std::string_view event, std::initializer_list<LogField> fields,
                       std::int64_t left_out) {
  std::string line;
  const auto append = [&](const LogField& field) {
    if (format == LogFormat::kJson) {
      if (!line.empty()) line += ',';
      field.AppendJson(line);
    } else {
      if (!line.empty()) line += ' ';
      field.AppendText(line);
    }
  };
  append(LogField("event", event));
  for (const LogField& field : fields) append(field);
  if (left_out > 0) append(LogField("left_out", left_out));
  return line;
}

}  // namespace

Logger::Logger(const LoggerOptions& options, const Clock& clock)
    : Logger(options, clock, std::make_shared<spdlog::sinks::stderr_sink_mt>()) {}

Logger::Logger(const LoggerOptions& options, const Clock& clock, std::shared_ptr<spdlog::sinks::sink> sink)
    : options_(options),
      limiter_(clock, kLimitWindow),
      writer_(std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1)),
      logger_(std::make_shared<spdlog::async_logger>("eplb", std::move(sink), writer_,
                                                     spdlog::async_overflow_policy::overrun_oldest)) {
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      options.format == LogFormat::kJson ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc));
  logger_->set_level(ToSpdlog(options.level));
}

Logger::~Logger() = default;

void Logger::Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  const std::optional<std::int64_t> left_out = limiter_.Admit(event, MostPerWindow(level, options_));
  if (!left_out) return;
  // Handed over as an argument: the line itself must not be read as a format.
  logger_->log(ToSpdlog(level), "{}", FormatLine(options_.format, event, fields, *left_out));
}

}  // namespace eplb
