#ifndef EPLB_CLIENT_LIVE_RECONNECT_DELAY_H_
#define EPLB_CLIENT_LIVE_RECONNECT_DELAY_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "server/base/split_mix64.h"

namespace eplb {

// How long to wait before connecting again: doubles with each failure up to a bound, each wait drawn evenly from
// (0, bound] ("full jitter", Brooker, "Exponential backoff and jitter", 2015), since a fleet that lost its server at
// once must not come back at once. Deterministic for a seed. Not thread-safe.
class ReconnectDelay {
 public:
  ReconnectDelay(absl::Duration first, absl::Duration most, std::uint64_t seed)
      : first_(first), most_(most), bound_(first), random_(seed) {}

  absl::Duration Next() {
    const absl::Duration wait = bound_ * random_.AboveZero();
    bound_ = std::min(bound_ * 2, most_);
    return wait;
  }
  // The next wait after a success is a first one again.
  void Reset() { bound_ = first_; }
  // A wait within the given bound, for a server that said when to come back.
  absl::Duration Within(absl::Duration bound) { return bound * random_.AboveZero(); }

 private:
  absl::Duration first_;
  absl::Duration most_;
  absl::Duration bound_;
  SplitMix64 random_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_RECONNECT_DELAY_H_
