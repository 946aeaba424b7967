#include "client/live/reconnect_delay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace eplb {
namespace {

constexpr absl::Duration kFirst = absl::Milliseconds(200);
constexpr absl::Duration kMost = absl::Seconds(10);

TEST(ReconnectDelayTest, WaitsStayAboveZeroAndWithinABoundThatDoublesToTheMost) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ReconnectDelay delay(kFirst, kMost, seed);
    absl::Duration bound = kFirst;
    for (int failure = 0; failure < 12; ++failure) {
      const absl::Duration wait = delay.Next();
      EXPECT_GT(wait, absl::ZeroDuration());
      EXPECT_LE(wait, bound) << "seed " << seed << ", failure " << failure;
      bound = std::min(bound * 2, kMost);
    }
  }
}

TEST(ReconnectDelayTest, AfterASuccessTheNextWaitIsAFirstOneAgain) {
  ReconnectDelay delay(kFirst, kMost, 7);
  for (int failure = 0; failure < 20; ++failure) delay.Next();
  for (int round = 0; round < 100; ++round) {
    delay.Reset();
    EXPECT_LE(delay.Next(), kFirst);
  }
}

TEST(ReconnectDelayTest, EqualSeedsWaitAlikeAndOthersSpreadOverTheWholeBound) {
  ReconnectDelay one(kFirst, kMost, 1);
  ReconnectDelay same(kFirst, kMost, 1);
  EXPECT_EQ(one.Next(), same.Next());
  EXPECT_EQ(one.Next(), same.Next());
  // Of 1,000 workers that lost their server at once, no tenth of the bound gets more than twice its part.
  std::multiset<int> tenths;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    ReconnectDelay delay(kFirst, kMost, seed);
    tenths.insert(std::min(9, static_cast<int>(absl::FDivDuration(delay.Next(), kFirst) * 10)));
  }
  for (int tenth = 0; tenth < 10; ++tenth) {
    EXPECT_GT(tenths.count(tenth), 50U) << tenth;
    EXPECT_LT(tenths.count(tenth), 200U) << tenth;
  }
}

TEST(ReconnectDelayTest, AServersOwnBoundLeavesTheDoublingAsItIs) {
  ReconnectDelay delay(kFirst, kMost, 3);
  for (int i = 0; i < 50; ++i) EXPECT_LE(delay.Within(absl::Seconds(3)), absl::Seconds(3));
  EXPECT_LE(delay.Next(), kFirst);
}

}  // namespace
}  // namespace eplb
