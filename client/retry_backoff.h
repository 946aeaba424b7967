#ifndef EPLB_CLIENT_RETRY_BACKOFF_H_
#define EPLB_CLIENT_RETRY_BACKOFF_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/client_options.h"
#include "server/base/split_mix64.h"

namespace eplb {

// Decides, try after try of one call, whether and when to try again: for UNAVAILABLE, CANCELLED (a server that closes)
// and RESOURCE_EXHAUSTED where the server said when (else it is a message that is too large, and stays so), with waits
// that grow from first_backoff to max_backoff, each drawn between half of it and all of it, and never shorter than the
// server asked for. Deterministic for a seed. Not thread-safe.
class RetryBackoff {
 public:
  RetryBackoff(const RetryOptions& options, std::uint64_t seed);

  // The wait before the next try after this error; nullopt where there is none: another kind of error, too many tries,
  // or a wait that `remaining` (until the call's deadline) has no room for.
  std::optional<absl::Duration> NextWait(const absl::Status& error, absl::Duration remaining);

 private:
  RetryOptions options_;
  SplitMix64 random_;
  int attempts_ = 0;
  absl::Duration backoff_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_RETRY_BACKOFF_H_
