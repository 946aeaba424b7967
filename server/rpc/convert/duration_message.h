#ifndef EPLB_SERVER_RPC_CONVERT_DURATION_MESSAGE_H_
#define EPLB_SERVER_RPC_CONVERT_DURATION_MESSAGE_H_

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace eplb {

// Largest duration that a message may hold, about 10,000 years.
inline constexpr absl::Duration kMaxMessageDuration = absl::Seconds(315'576'000'000);

// Cut to what a message may hold.
void WriteDuration(absl::Duration duration, google::protobuf::Duration& message);
// Any message gives a finite duration, also one whose fields are out of range.
absl::Duration ReadDuration(const google::protobuf::Duration& message);

void WriteTimestamp(absl::Time time, google::protobuf::Timestamp& message);
absl::Time ReadTimestamp(const google::protobuf::Timestamp& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_DURATION_MESSAGE_H_
