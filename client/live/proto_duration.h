#ifndef EPLB_CLIENT_LIVE_PROTO_DURATION_H_
#define EPLB_CLIENT_LIVE_PROTO_DURATION_H_

#include <google/protobuf/duration.pb.h>

#include <cstdint>

#include "absl/time/time.h"

namespace eplb {

inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

inline google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration message;
  message.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  message.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(duration)));
  return message;
}

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_PROTO_DURATION_H_
