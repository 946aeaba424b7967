#include "server/balancer/search/nearest_target.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Whatever instructions this machine has, and wherever their blocks end: the bits of the plain loop.
TEST(LeastDistance, IsThatOfThePlainLoopForEveryLength) {
  testing::RandomProblems random(34);
  for (int count = 0; count <= 70; ++count) {
    for (int round = 0; round < 20; ++round) {
      std::vector<float> base;
      std::vector<float> target;
      for (int i = 0; i < count; ++i) {
        base.push_back(random.Int(0, 9) == 0 ? kInfinity : static_cast<float>(random.Unit()));
        target.push_back(static_cast<float>(2 * random.Unit() - 1));
      }
      const auto value = static_cast<float>(random.Unit());
      float least = kInfinity;
      for (std::size_t i = 0; i < base.size(); ++i) least = std::min(least, base[i] + std::abs(value - target[i]));
      EXPECT_EQ(LeastDistance(base.data(), target.data(), count, value), least) << count << " terms";
    }
  }
}

}  // namespace
}  // namespace eplb
