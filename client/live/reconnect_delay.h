#ifndef EPLB_CLIENT_LIVE_RECONNECT_DELAY_H_
#define EPLB_CLIENT_LIVE_RECONNECT_DELAY_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace eplb {

// How long to wait before connecting again: doubles with each failure up to a bound, each wait drawn evenly from
// (0, bound] ("full jitter", Brooker, "Exponential backoff and jitter", 2015), since a fleet that lost its server at
// once must not come back at once. Deterministic for a seed. Not thread-safe.
class ReconnectDelay {
 public:
  ReconnectDelay(absl::Duration first, absl::Duration most, std::uint64_t seed)
      : first_(first), most_(most), bound_(first), state_(seed) {}

  absl::Duration Next() {
    const absl::Duration wait = bound_ * Unit();
    bound_ = std::min(bound_ * 2, most_);
    return wait;
  }
  // The next wait after a success is a first one again.
  void Reset() { bound_ = first_; }
  // A wait within the given bound, for a server that said when to come back.
  absl::Duration Within(absl::Duration bound) { return bound * Unit(); }

 private:
  // splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), to (0, 1].
  double Unit() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return (static_cast<double>((z ^ (z >> 31U)) >> 11U) + 1.0) * 0x1p-53;
  }

  absl::Duration first_;
  absl::Duration most_;
  absl::Duration bound_;
  std::uint64_t state_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_RECONNECT_DELAY_H_
