#ifndef EPLB_SERVER_BALANCER_SEARCH_PSEUDO_RANDOM_H_
#define EPLB_SERVER_BALANCER_SEARCH_PSEUDO_RANDOM_H_

#include <cstdint>

namespace eplb {

// Sebastiano Vigna's SplitMix64: a few instructions per draw, the same sequence on every platform. The search starts it
// from a constant for each layer, so equal inputs give equal plans.
class PseudoRandom {
 public:
  explicit PseudoRandom(std::uint64_t seed) : state_(seed) {}

  std::uint32_t Next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return static_cast<std::uint32_t>(mixed >> 32);
  }

  // A number in [0, bound), bound >= 1, as even as 32 bits make it (Lemire's multiply-shift, without rejection).
  int Below(int bound) {
    return static_cast<int>((static_cast<std::uint64_t>(Next()) * static_cast<std::uint32_t>(bound)) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_PSEUDO_RANDOM_H_
