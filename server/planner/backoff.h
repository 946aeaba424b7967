#ifndef EPLB_SERVER_PLANNER_BACKOFF_H_
#define EPLB_SERVER_PLANNER_BACKOFF_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace eplb {

// The wait after failures in a row: doubles with each, times a jitter from [0.5, 1), which comes from a seed so that a
// run can be repeated. Not thread-safe.
class Backoff {
 public:
  // first > 0, most >= first.
  Backoff(absl::Duration first, absl::Duration most, std::uint64_t seed) : first_(first), most_(most), state_(seed) {}

  // One more failure: no new attempt before now + the wait.
  void Fail(absl::Duration now) {
    const absl::Duration wait =
        std::min(most_, first_ * static_cast<double>(std::uint64_t{1} << std::min(failures_, 40)));
    ++failures_;
    until_ = now + wait * (0.5 + 0.5 * NextUnit());
  }
  void Reset() {
    failures_ = 0;
    until_ = -absl::InfiniteDuration();
  }

  int failures() const { return failures_; }
  // When the next attempt may be made, on the scale of `now`.
  absl::Duration until() const { return until_; }

 private:
  // splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), to [0, 1).
  double NextUnit() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return static_cast<double>((z ^ (z >> 31U)) >> 11U) * 0x1p-53;
  }

  absl::Duration first_;
  absl::Duration most_;
  std::uint64_t state_;
  int failures_ = 0;
  absl::Duration until_ = -absl::InfiniteDuration();
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_BACKOFF_H_
