#include "server/rpc/convert/duration_message.h"

#include <algorithm>
#include <cstdint>

namespace eplb {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

void WriteDuration(absl::Duration duration, google::protobuf::Duration& message) {
  absl::Duration rest = std::clamp(duration, -kMaxMessageDuration, kMaxMessageDuration);
  message.set_seconds(absl::IDivDuration(rest, absl::Seconds(1), &rest));
  message.set_nanos(static_cast<std::int32_t>(absl::IDivDuration(rest, absl::Nanoseconds(1), &rest)));
}

absl::Duration ReadDuration(const google::protobuf::Duration& message) {
  const absl::Duration duration = absl::Seconds(message.seconds()) + absl::Nanoseconds(message.nanos());
  return std::clamp(duration, -kMaxMessageDuration, kMaxMessageDuration);
}

void WriteTimestamp(absl::Time time, google::protobuf::Timestamp& message) {
  const absl::Duration since_epoch = std::clamp(time - absl::UnixEpoch(), -kMaxMessageDuration, kMaxMessageDuration);
  const std::int64_t seconds = absl::ToUnixSeconds(absl::UnixEpoch() + since_epoch);
  message.set_seconds(seconds);
  message.set_nanos(
      static_cast<std::int32_t>(absl::ToInt64Nanoseconds(since_epoch - absl::Seconds(seconds)) % kNanosPerSecond));
}

absl::Time ReadTimestamp(const google::protobuf::Timestamp& message) {
  const absl::Duration since_epoch = absl::Seconds(message.seconds()) + absl::Nanoseconds(message.nanos());
  return absl::UnixEpoch() + std::clamp(since_epoch, -kMaxMessageDuration, kMaxMessageDuration);
}

}  // namespace eplb
