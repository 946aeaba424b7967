#ifndef EPLB_SERVER_RPC_STATUS_DETAILS_H_
#define EPLB_SERVER_RPC_STATUS_DETAILS_H_

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace eplb {

// What else an error tells programs. Each returns the status with the fact added; an OK status stays as it is.

// Stable reason in UPPER_SNAKE_CASE, for ErrorInfo. Without one the reason is that of the code.
absl::Status WithReason(absl::Status status, std::string_view reason);
// A fact that the message mentions, by name, for ErrorInfo.
absl::Status WithMetadata(absl::Status status, std::string_view name, std::string_view value);
// When to try again, for RetryInfo; infinite: never, so that there is none.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// The status that a call ends with. Its details (grpc-status-details-bin) are a google.rpc.Status with
//   ErrorInfo            always: reason, domain "eplb", metadata;
//   BadRequest           where the status was made by FieldErrors: each field with its value and bound;
//   PreconditionFailure  for FAILED_PRECONDITION: the reason as its type, the message as its description;
//   RetryInfo            for RESOURCE_EXHAUSTED and UNAVAILABLE: the delay, or kDefaultRetryDelay; not where it is
//                        infinite.
// Message and details are cut to what fits into the 8 KiB of metadata that gRPC clients take, and are well-formed UTF-8
// whatever the status holds: else clients could not read them.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The reason where an answer is past the size that a message may have.
inline constexpr std::string_view kAnswerTooLarge = "ANSWER_TOO_LARGE";

inline constexpr absl::Duration kDefaultRetryDelay = absl::Seconds(1);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_STATUS_DETAILS_H_
