#ifndef EPLB_SERVER_CONFIG_SETTING_VALUE_H_
#define EPLB_SERVER_CONFIG_SETTING_VALUE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace eplb {

// Reads text as a value of the field (whole number, number, true or false, text, enum value in short lower case or
// in full, duration as "1.5s"), checks the bounds of its (setting) and sets it in the message, whose field it is. On
// failure nothing is set and the rule that was broken is returned: the same rule that --help shows.
std::optional<std::string> SetFromText(google::protobuf::Message& message,
                                       const google::protobuf::FieldDescriptor& field, std::string_view text);

// What the field accepts, to stand after "must be": "a whole number of bytes from 65536 to 268435456".
std::string DescribeAccepted(const google::protobuf::FieldDescriptor& field);

// The value as a flag would give it; a duration as "1.5s", an enum value in short lower case. The field is singular.
std::string FormatValue(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field);

// "info" of LOG_LEVEL_INFO in LogLevel.
std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value);

// Between the two kinds of duration. The configuration's durations are bounded, so nothing overflows.
absl::Duration ToAbslDuration(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProtoDuration(absl::Duration duration);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_SETTING_VALUE_H_
