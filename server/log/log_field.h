#ifndef EPLB_SERVER_LOG_LOG_FIELD_H_
#define EPLB_SERVER_LOG_LOG_FIELD_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/time/time.h"

namespace eplb {

// One key=value of a log line. Views are read before the call that takes them returns.
class LogField {
 public:
  // Keys are literals of ours: snake_case, never "time", "level" or "event".
  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, const std::string& value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  LogField(std::string_view key, double value) : key_(key), value_(value) {}
  // In seconds; the key ends with _seconds.
  LogField(std::string_view key, absl::Duration value) : key_(key), value_(absl::ToDoubleSeconds(value)) {}
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) LogField(std::string_view key, Integer value)
      : key_(key), value_(static_cast<std::int64_t>(value)) {}

  // Appends key=value. Text is quoted unless it is plain, and escaped as in JSON with ASCII only: whatever it holds,
  // it is one line, cannot make up a key, and does nothing to a terminal. At most 1 KiB of it.
  void AppendText(std::string& line) const;
  // Appends "key":value.
  void AppendJson(std::string& line) const;

 private:
  void AppendNumber(std::string& line) const;

  std::string_view key_;
  std::variant<std::string_view, std::int64_t, double, bool> value_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_LOG_LOG_FIELD_H_
