#ifndef EPLB_SERVER_BALANCER_SEARCH_PSEUDO_RANDOM_H_
#define EPLB_SERVER_BALANCER_SEARCH_PSEUDO_RANDOM_H_

#include <cstdint>

#include "server/base/split_mix64.h"

namespace eplb {

// Numbers for the search, which starts them from a constant for each layer, so that equal inputs give equal plans.
class PseudoRandom {
 public:
  explicit PseudoRandom(std::uint64_t seed) : source_(seed) {}

  std::uint32_t Next() { return source_.NextHalf(); }

  // A number in [0, bound), bound >= 1, as even as 32 bits make it (Lemire's multiply-shift, without rejection).
  int Below(int bound) {
    return static_cast<int>((static_cast<std::uint64_t>(Next()) * static_cast<std::uint32_t>(bound)) >> 32);
  }

 private:
  SplitMix64 source_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_PSEUDO_RANDOM_H_
