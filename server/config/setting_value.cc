#include "server/config/setting_value.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eplb/config/v1/setting.pb.h"
#include "server/base/utf8.h"
#include "server/config/address.h"
#include "server/config/schema.h"

namespace eplb {
namespace {

using config::v1::Setting;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::size_t kMaxTextBytes = 4096;
// What google.protobuf.Duration can hold: ten thousand years.
constexpr double kMaxDurationSeconds = 315576000000.0;

const Setting& SettingOf(const FieldDescriptor& field) { return field.options().GetExtension(config::v1::setting); }

bool WithinBounds(double value, const Setting& setting) {
  return !(setting.has_min() && value < setting.min()) && !(setting.has_max() && value > setting.max());
}

// The whole text is one number. No leading zeros: they mean octal elsewhere.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.size() > 1 && digits[0] == '0' && absl::ascii_isdigit(static_cast<unsigned char>(digits[1]))) {
    return std::nullopt;
  }
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool SetWhole(Message& message, const FieldDescriptor& field, std::string_view text) {
  const std::optional<std::int64_t> value = ParseNumber<std::int64_t>(text);
  if (!value || !WithinBounds(static_cast<double>(*value), SettingOf(field))) return false;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    message.GetReflection()->SetInt64(&message, &field, *value);
    return true;
  }
  if (*value < std::numeric_limits<std::int32_t>::min() || *value > std::numeric_limits<std::int32_t>::max()) {
    return false;
  }
  message.GetReflection()->SetInt32(&message, &field, static_cast<std::int32_t>(*value));
  return true;
}

bool SetDouble(Message& message, const FieldDescriptor& field, std::string_view text) {
  const std::optional<double> value = ParseNumber<double>(text);
  if (!value || !std::isfinite(*value) || !WithinBounds(*value, SettingOf(field))) return false;
  message.GetReflection()->SetDouble(&message, &field, *value);
  return true;
}

bool SetBool(Message& message, const FieldDescriptor& field, std::string_view text) {
  if (text != "true" && text != "false") return false;
  message.GetReflection()->SetBool(&message, &field, text == "true");
  return true;
}

bool SetString(Message& message, const FieldDescriptor& field, std::string_view text) {
  if (text.size() > kMaxTextBytes || !IsPrintableUtf8(text)) return false;
  const bool is_address = SettingOf(field).format() == config::v1::FORMAT_ADDRESS;
  if (is_address && !text.empty() && !ParseAddress(text)) return false;
  message.GetReflection()->SetString(&message, &field, std::string(text));
  return true;
}

// The unspecified value is what "not given" is for; nobody writes it.
bool SetEnum(Message& message, const FieldDescriptor& field, std::string_view text) {
  const EnumDescriptor& type = *field.enum_type();
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor* value = type.value(i);
    if (value->number() == 0 || (text != value->name() && text != ShortEnumName(*value))) continue;
    message.GetReflection()->SetEnum(&message, &field, value);
    return true;
  }
  return false;
}

bool SetDuration(Message& message, const FieldDescriptor& field, std::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(absl::string_view(text.data(), text.size()), &duration)) return false;
  const double seconds = absl::ToDoubleSeconds(duration);
  if (std::abs(seconds) > kMaxDurationSeconds || !WithinBounds(seconds, SettingOf(field))) return false;
  Message* value = message.GetReflection()->MutableMessage(&message, &field);
  value->CopyFrom(ToProtoDuration(duration));
  return true;
}

bool TrySet(Message& message, const FieldDescriptor& field, std::string_view text) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return SetWhole(message, field, text);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return SetDouble(message, field, text);
    case FieldDescriptor::CPPTYPE_BOOL:
      return SetBool(message, field, text);
    case FieldDescriptor::CPPTYPE_STRING:
      return SetString(message, field, text);
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(message, field, text);
    default:
      return IsDuration(field) && SetDuration(message, field, text);
  }
}

std::string FormatSeconds(double seconds) { return absl::StrCat(seconds, "s"); }

std::string FormatBound(double bound, bool is_duration) {
  if (is_duration) return FormatSeconds(bound);
  const bool is_whole = std::floor(bound) == bound && std::abs(bound) < 1e15;
  return is_whole ? absl::StrCat(static_cast<std::int64_t>(bound)) : absl::StrCat(bound);
}

std::string DescribeBounds(const FieldDescriptor& field) {
  const Setting& setting = SettingOf(field);
  const bool is_duration = IsDuration(field);
  if (setting.has_min() && setting.has_max()) {
    return absl::StrCat(" from ", FormatBound(setting.min(), is_duration), " to ",
                        FormatBound(setting.max(), is_duration));
  }
  if (setting.has_min()) return absl::StrCat(", at least ", FormatBound(setting.min(), is_duration));
  if (setting.has_max()) return absl::StrCat(", at most ", FormatBound(setting.max(), is_duration));
  return "";
}

std::string DescribeEnum(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(ShortEnumName(*type.value(i)));
  }
  return absl::StrCat("one of ", absl::StrJoin(names, ", "));
}

std::string DescribeString(const Setting& setting) {
  switch (setting.format()) {
    case config::v1::FORMAT_ADDRESS:
      return "an address as in 127.0.0.1:50051 or [::1]:50051";
    case config::v1::FORMAT_FILE:
      return "the path of a readable file";
    default:
      return absl::StrCat("printable text of at most ", kMaxTextBytes, " bytes");
  }
}

}  // namespace

std::string ShortEnumName(const EnumValueDescriptor& value) {
  std::string prefix;  // LOG_LEVEL_ of LogLevel
  for (const char c : value.type()->name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  prefix += '_';
  const std::string& name = value.name();
  return absl::AsciiStrToLower(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
}

std::optional<std::string> SetFromText(Message& message, const FieldDescriptor& field, std::string_view text) {
  if (TrySet(message, field, text)) return std::nullopt;
  return absl::StrCat("must be ", DescribeAccepted(field));
}

std::string DescribeAccepted(const FieldDescriptor& field) {
  const Setting& setting = SettingOf(field);
  const std::string unit = setting.unit().empty() ? "" : absl::StrCat(" of ", setting.unit());
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat("a whole number", unit, DescribeBounds(field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat("a number", unit, DescribeBounds(field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_STRING:
      return DescribeString(setting);
    case FieldDescriptor::CPPTYPE_ENUM:
      return DescribeEnum(*field.enum_type());
    default:
      return absl::StrCat("a duration as in 1.5s", DescribeBounds(field));
  }
}

std::string FormatValue(const Message& message, const FieldDescriptor& field) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortEnumName(*reflection.GetEnum(message, &field));
    default:
      return FormatSeconds(absl::ToDoubleSeconds(
          ToAbslDuration(static_cast<const google::protobuf::Duration&>(reflection.GetMessage(message, &field)))));
  }
}

absl::Duration ToAbslDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<std::int32_t>(absl::IDivDuration(duration, absl::Nanoseconds(1), &duration)));
  return out;
}

}  // namespace eplb
