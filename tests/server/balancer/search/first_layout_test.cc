#include "server/balancer/search/first_layout.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/search/ascending_order.h"
#include "tests/server/balancer/search/random_layouts.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

constexpr double kNever = std::numeric_limits<double>::infinity();

TEST(AscendingOrder, OrdersAllButNearlyEqualNumbers) {
  testing::RandomProblems random(31);
  AscendingOrder order;
  for (const int count : {0, 1, 2, 31, 128, 129, 1000, 5000}) {
    std::vector<float> values;
    for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(random.Int(0, 4000)));
    const std::span<const std::int32_t> sorted = order.Sort(values);
    std::vector<std::int32_t> seen(sorted.begin(), sorted.end());
    for (std::size_t i = 1; i < seen.size(); ++i) {
      EXPECT_LE(values[Index(seen[i - 1])], values[Index(seen[i])] * (1 + 1.0F / 65000) + 4000.0F / 4000000);
    }
    std::ranges::sort(seen);
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(Index(seen[i]), i);
  }
}

TEST(FirstLayout, FoldsTheExampleOfTheHeader) {
  const testing::OwnedProblem problem{.loads = {8, 7, 6, 5}, .slots_on = {2, 2}, .speed = {1, 1}};
  ReplicaLayout layout;
  layout.Reset(problem.get());
  ReplicaCounts().Run(1, &layout);
  FirstLayout().Fold(&layout);
  EXPECT_THAT(layout.gpu_load, ElementsAre(::testing::DoubleEq(1), ::testing::DoubleEq(1)));
  EXPECT_TRUE(testing::IsSound(layout));
}

TEST(FirstLayout, NearlyEqualEntriesInTheWrongOrderDoNotLookFoldedAway) {
  // The folded column of the lightest and the heaviest experts has entries that differ by less than the order tells.
  const testing::OwnedProblem problem{.loads = {331, 970, 27, 1, 18, 666}, .slots_on = {3, 3}, .speed = {1, 1}};
  ReplicaLayout layout;
  layout.Reset(problem.get());
  FirstLayout().Fold(&layout);
  EXPECT_TRUE(testing::IsSound(layout));
}

TEST(FirstLayout, FoldingPairsIsOptimal) {
  // With two slots the heaviest must go with the lightest: 9+1, 8+2, 7+3, 6+4.
  const testing::OwnedProblem problem{
      .loads = {9, 1, 8, 2, 7, 3, 6, 4}, .slots_on = {2, 2, 2, 2}, .speed = {1, 1, 1, 1}};
  ReplicaLayout layout;
  layout.Reset(problem.get());
  FirstLayout().Fold(&layout);
  EXPECT_NEAR(layout.MaxLoad(), 1, 1e-12);
}

TEST(FirstLayout, LongestFirstFillsFastGpusMore) {
  const testing::OwnedProblem problem{.loads = {4, 2, 2, 1, 1, 2}, .slots_on = {4, 2}, .speed = {2, 1}};
  const ReplicaLayout layout = testing::StartOf(problem.get());
  EXPECT_TRUE(testing::IsSound(layout));
  EXPECT_NEAR(layout.MaxLoad(), 1, 1e-12);
}

TEST(FirstLayout, HoldsEveryReplicaOnAnyFleet) {
  testing::RandomProblems random(32);
  FirstLayout first;
  for (int round = 0; round < 200; ++round) {
    const bool uniform = random.Int(0, 1) == 1;
    const testing::OwnedProblem problem = testing::RandomPacking(uniform, &random);
    ReplicaLayout layout;
    layout.Reset(problem.get());
    ReplicaCounts().Run(1, &layout);
    if (uniform) {
      first.Fold(&layout);
    } else {
      first.LongestFirst(kNever, &layout);
    }
    RepairTwins(1, &layout);
    EXPECT_TRUE(testing::IsSound(layout)) << "round " << round;
  }
}

TEST(FirstLayout, LongestFirstGivesUpOnlyWhatIsNotBetter) {
  testing::RandomProblems random(33);
  FirstLayout first;
  int given_up = 0;
  for (int round = 0; round < 400; ++round) {
    const testing::OwnedProblem problem = testing::RandomPacking(round % 2 == 0, &random);
    ReplicaLayout whole;
    whole.Reset(problem.get());
    ReplicaCounts().Run(1, &whole);
    ReplicaLayout layout = whole;
    EXPECT_TRUE(first.LongestFirst(kNever, &whole));
    const double give_up = 0.9 + 0.4 * random.Unit();
    if (first.LongestFirst(give_up, &layout)) {
      EXPECT_TRUE(std::ranges::equal(layout.expert_in, whole.expert_in)) << "round " << round;
      EXPECT_TRUE(whole.CountTwins() > 0 || whole.MaxLoad() < give_up) << "round " << round;
    } else {
      ++given_up;
      EXPECT_EQ(whole.CountTwins(), 0) << "round " << round;
      EXPECT_GE(whole.MaxLoad(), give_up) << "round " << round;
    }
  }
  EXPECT_GT(given_up, 20);
}

}  // namespace
}  // namespace eplb
