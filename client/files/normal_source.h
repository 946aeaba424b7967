#ifndef EPLB_CLIENT_FILES_NORMAL_SOURCE_H_
#define EPLB_CLIENT_FILES_NORMAL_SOURCE_H_

#include <cmath>
#include <cstdint>
#include <numbers>

#include "server/base/split_mix64.h"

namespace eplb {

// Normal deviates of mean 0 and variance 1 (Box and Muller, 1958), which the distributions of the standard library are
// not: those differ between implementations. Deterministic for a seed. Not thread-safe.
class NormalSource {
 public:
  explicit NormalSource(std::uint64_t seed) : random_(seed) {}

  double Next() {
    const double radius = std::sqrt(-2.0 * std::log(random_.AboveZero()));
    return radius * std::cos(2.0 * std::numbers::pi * random_.AboveZero());
  }

 private:
  SplitMix64 random_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_NORMAL_SOURCE_H_
