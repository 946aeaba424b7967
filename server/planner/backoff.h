#ifndef EPLB_SERVER_PLANNER_BACKOFF_H_
#define EPLB_SERVER_PLANNER_BACKOFF_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "server/base/split_mix64.h"

namespace eplb {

// The wait after failures in a row: doubles with each, times a jitter from [0.5, 1), which comes from a seed so that a
// run can be repeated. Not thread-safe.
class Backoff {
 public:
  // first > 0, most >= first.
  Backoff(absl::Duration first, absl::Duration most, std::uint64_t seed) : first_(first), most_(most), random_(seed) {}

  // One more failure: no new attempt before now + the wait.
  void Fail(absl::Duration now) {
    const absl::Duration wait =
        std::min(most_, first_ * static_cast<double>(std::uint64_t{1} << std::min(failures_, 40)));
    ++failures_;
    until_ = now + wait * (0.5 + 0.5 * random_.BelowOne());
  }
  void Reset() {
    failures_ = 0;
    until_ = -absl::InfiniteDuration();
  }

  int failures() const { return failures_; }
  // When the next attempt may be made, on the scale of `now`.
  absl::Duration until() const { return until_; }

 private:
  absl::Duration first_;
  absl::Duration most_;
  SplitMix64 random_;
  int failures_ = 0;
  absl::Duration until_ = -absl::InfiniteDuration();
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_BACKOFF_H_
