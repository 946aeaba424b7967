#ifndef EPLB_SERVER_BASE_SPLIT_MIX64_H_
#define EPLB_SERVER_BASE_SPLIT_MIX64_H_

#include <cstdint>

namespace eplb {

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): the same sequence for a
// seed on every platform, which the standard library's distributions do not promise. For jitter, made-up loads and
// the search, not for secrets. Not thread-safe.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  // 64 even bits.
  std::uint64_t Next() {
    const std::uint64_t mixed = Mix();
    return mixed ^ (mixed >> 31U);
  }
  // 32 even bits, for less: the last step of Next changes but one of its upper half.
  std::uint32_t NextHalf() { return static_cast<std::uint32_t>(Mix() >> 32U); }
  // An even draw from [0, 1).
  double BelowOne() { return static_cast<double>(Next() >> 11U) * 0x1p-53; }
  // An even draw from (0, 1]: it has a logarithm.
  double AboveZero() { return (static_cast<double>(Next() >> 11U) + 1.0) * 0x1p-53; }

 private:
  std::uint64_t Mix() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    return (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
  }

  std::uint64_t state_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_SPLIT_MIX64_H_
