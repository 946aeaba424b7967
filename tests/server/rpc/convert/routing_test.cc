#include "server/rpc/convert/routing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(RoutingEntriesTest, EqualSharesGiveEachSlotOnce) {
  const std::vector<std::int32_t> slots = {4, 9, 11};
  EXPECT_THAT(RoutingEntries(slots, {}, 100), ElementsAre(4, 9, 11));
  EXPECT_THAT(RoutingEntries(slots, std::vector<double>{1.0 / 3, 1.0 / 3, 1.0 / 3}, 100), ElementsAre(4, 9, 11));
}

TEST(RoutingEntriesTest, TooManyReplicasAreCut) {
  EXPECT_THAT(RoutingEntries(std::vector<std::int32_t>{4, 9, 11}, {}, 2), ElementsAre(4, 9));
}

TEST(RoutingEntriesTest, SharesBecomeRepetitions) {
  const std::vector<std::int32_t> slots = {4, 9};
  EXPECT_THAT(RoutingEntries(slots, std::vector<double>{0.75, 0.25}, 8), ElementsAre(4, 4, 4, 9));
  EXPECT_THAT(RoutingEntries(slots, std::vector<double>{0.75, 0.25}, 1), ElementsAre(4));
  EXPECT_THAT(RoutingEntries(slots, std::vector<double>{0, 1}, 8), ElementsAre(9));
}

TEST(RoutingEntriesTest, MoreRoomIsNeverWorse) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> shares(2 + random() % 5);
    double sum = 0;
    for (double& share : shares) sum += share = static_cast<double>(1 + random() % 1000);
    std::vector<std::int32_t> slots;
    for (double& share : shares) {
      share /= sum;
      slots.push_back(static_cast<std::int32_t>(slots.size()));
    }
    double former = 2;
    for (const int room : {1, 2, 4, 8, 16, 32, 64, 128, 1000}) {
      const std::vector<std::int32_t> entries = RoutingEntries(slots, shares, room);
      ASSERT_LE(static_cast<int>(entries.size()), std::min(room, kMaxRoutingEntries));
      double error = 0;
      for (std::size_t i = 0; i < shares.size(); ++i) {
        const auto count = std::ranges::count(entries, slots[i]);
        error = std::max(error, std::abs(static_cast<double>(count) / static_cast<double>(entries.size()) - shares[i]));
      }
      EXPECT_LE(error, former + 1e-9);
      former = error;
    }
    EXPECT_LT(former, 0.01);
  }
}

}  // namespace
}  // namespace eplb
