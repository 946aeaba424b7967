#include "client/live/comeback.h"

#include <utility>

#include "client/error_details.h"

namespace eplb {
namespace {

constexpr int kMostSuperseded = 10;

}  // namespace

Comeback::Comeback(const Options& options, std::uint64_t seed, const Clock& clock)
    : clock_(clock),
      stable_after_(options.stable_after),
      failed_(options.first_backoff, options.max_backoff, seed),
      superseded_(options.superseded_backoff, kMostSuperseded * options.superseded_backoff, seed) {}

void Comeback::Answered() {
  if (!answered_since_) answered_since_ = clock_.Monotonic();
}

absl::Duration Comeback::Next(const absl::Status& status) {
  const bool held = answered_since_ && clock_.Monotonic() - *answered_since_ >= stable_after_;
  answered_since_.reset();
  if (held) failed_.Reset();
  if (held && !absl::IsAborted(status)) superseded_.Reset();
  absl::Duration wait = failed_.Next() + failed_.Within(std::exchange(drain_delay_, absl::ZeroDuration()));
  if (absl::IsResourceExhausted(status)) wait += RetryDelayOf(status).value_or(absl::ZeroDuration());
  if (absl::IsAborted(status)) wait += superseded_.Next();
  return wait;
}

}  // namespace eplb
