#include "client/retry_backoff.h"

#include <algorithm>

#include "client/error_details.h"

namespace eplb {

RetryBackoff::RetryBackoff(const RetryOptions& options, std::uint64_t seed)
    : options_(options), state_(seed), backoff_(options.first_backoff) {}

double RetryBackoff::NextJitter() {
  // SplitMix64 (Steele, Lea and Flood, 2014).
  state_ += 0x9E3779B97F4A7C15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return 0.5 + static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-54;
}

std::optional<absl::Duration> RetryBackoff::NextWait(const absl::Status& error, absl::Duration remaining) {
  // CANCELLED comes from a server that closes under a call: nobody here cancels one.
  const std::optional<absl::Duration> stated = RetryDelayOf(error);
  const bool transient = error.code() == absl::StatusCode::kUnavailable ||
                         (error.code() == absl::StatusCode::kResourceExhausted && stated) ||
                         error.code() == absl::StatusCode::kCancelled;
  if (!transient || ++attempts_ >= options_.max_attempts) return std::nullopt;
  const absl::Duration advised = stated.value_or(absl::ZeroDuration());
  const absl::Duration wait = std::max(backoff_ * NextJitter(), advised);
  backoff_ = std::min(backoff_ * options_.backoff_multiplier, options_.max_backoff);
  if (wait >= remaining) return std::nullopt;
  return wait;
}

}  // namespace eplb
