#include "client/retry_backoff.h"

#include <algorithm>

#include "client/error_details.h"

namespace eplb {

RetryBackoff::RetryBackoff(const RetryOptions& options, std::uint64_t seed)
    : options_(options), random_(seed), backoff_(options.first_backoff) {}

std::optional<absl::Duration> RetryBackoff::NextWait(const absl::Status& error, absl::Duration remaining) {
  // CANCELLED comes from a server that closes under a call: nobody here cancels one.
  const std::optional<absl::Duration> stated = RetryDelayOf(error);
  const bool transient = error.code() == absl::StatusCode::kUnavailable ||
                         (error.code() == absl::StatusCode::kResourceExhausted && stated) ||
                         error.code() == absl::StatusCode::kCancelled;
  if (!transient || ++attempts_ >= options_.max_attempts) return std::nullopt;
  const absl::Duration advised = stated.value_or(absl::ZeroDuration());
  const absl::Duration wait = std::max(backoff_ * (0.5 + 0.5 * random_.BelowOne()), advised);
  backoff_ = std::min(backoff_ * options_.backoff_multiplier, options_.max_backoff);
  if (wait >= remaining) return std::nullopt;
  return wait;
}

}  // namespace eplb
