#include "server/balancer/search/sorting_network.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

TEST(SortKeys, SortsAnyNumberOfKeys) {
  testing::RandomProblems random(35);
  for (int count = 0; count <= kMostSortedKeys; ++count) {
    for (int round = 0; round < 40; ++round) {
      std::vector<std::int32_t> keys;
      // From the least to the largest finite float, and few different ones in every other round.
      constexpr std::int32_t kLargest = std::bit_cast<std::int32_t>(0x1.fffffep127F);
      for (int i = 0; i < count; ++i) keys.push_back(round % 2 == 0 ? random.Int(0, kLargest - 1) : random.Int(0, 3));
      if (count > 1) keys[0] = kLargest;
      std::vector<std::int32_t> sorted = keys;
      std::ranges::sort(sorted);
      SortKeys(count, keys.data());
      EXPECT_EQ(keys, sorted);
    }
  }
}

// A network that sorts all sequences of zeros and ones sorts everything (D. E. Knuth, "The Art of Computer
// Programming" 3, section 5.3.4, theorem Z).
TEST(SortKeys, SortsAllSixteenZerosAndOnes) {
  for (unsigned bits = 0; bits < 1U << 16; ++bits) {
    std::vector<std::int32_t> keys;
    for (unsigned i = 0; i < 16; ++i) keys.push_back(static_cast<std::int32_t>(bits >> i & 1));
    SortKeys(16, keys.data());
    ASSERT_TRUE(std::ranges::is_sorted(keys)) << bits;
    ASSERT_EQ(std::ranges::count(keys, 1), std::popcount(bits)) << bits;
  }
}

}  // namespace
}  // namespace eplb
