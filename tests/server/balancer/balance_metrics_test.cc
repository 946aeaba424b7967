#include "server/balancer/balance_metrics.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

Topology MakeTopology(TopologyOptions options) { return Topology::Create(std::move(options)).value(); }

TEST(BalanceMetrics, TwoLayersOfRankLoads100And200Are075) {
  // A peer's log reduced over layers instead of GPUs for a year and called this balanced.
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 2});
  const Placement placement = Placement::Create(2, 2, 2, {0, 1, 0, 1}).value();
  const LoadMatrix loads = LoadMatrix::Create(2, 2, {100, 200, 200, 100}).value();
  const std::vector<LayerBalance> layers = MeasureBalance(placement, loads, topology);
  EXPECT_DOUBLE_EQ(layers[0].balancedness(), 0.75);
  EXPECT_DOUBLE_EQ(MeanBalancedness(layers), 0.75);
  EXPECT_DOUBLE_EQ(WorstBalancedness(layers), 0.75);
  EXPECT_DOUBLE_EQ(StepTime(layers), 400.0 / 300.0);
}

TEST(BalanceMetrics, ReplicasShareTheirExpertsLoad) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  BalanceMeter meter(topology);
  const LayerBalance balance = meter.Measure(std::vector<std::int32_t>{0, 1, 0, 2}, std::vector<double>{60, 10, 20});
  EXPECT_THAT(meter.gpu_load(), ElementsAre(40, 50));
  EXPECT_EQ(balance, (LayerBalance{.mean = 45, .max = 50}));
}

TEST(BalanceMetrics, SpeedAndExclusionCount) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 3, .gpu_speed = {2, 1, 1}, .excluded_gpus = {2}});
  BalanceMeter meter(topology);
  const LayerBalance balance = meter.Measure(std::vector<std::int32_t>{0, 1, 0}, std::vector<double>{80, 40});
  EXPECT_THAT(meter.gpu_load(), ElementsAre(40, 40, 0));
  EXPECT_EQ(balance, (LayerBalance{.mean = 40, .max = 40}));
}

TEST(BalanceMetrics, NothingWithoutLoadIsPerfect) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 2});
  BalanceMeter meter(topology);
  const LayerBalance balance = meter.Measure(std::vector<std::int32_t>{0, 1}, std::vector<double>{0, 0});
  EXPECT_EQ(balance.balancedness(), 1.0);
  EXPECT_EQ(StepTime({&balance, 1}), 1.0);
  EXPECT_EQ(MeanBalancedness({}), 1.0);
}

TEST(BalanceMetrics, NoStepTimeIsBelowOne) {
  // Sums of shares of a load miss it by a rounding error; loads of experts that are lost are in the mean alone.
  const LayerBalance rounded{.mean = 929.5, .max = 929.49999999999989};
  const LayerBalance lost{.mean = 30, .max = 20};
  EXPECT_EQ(StepTime({&rounded, 1}), 1.0);
  EXPECT_EQ(StepTime({&lost, 1}), 1.0);
}

TEST(BalanceMetrics, TwinsAreReplicasBeyondTheFirstOnAGpu) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 6});
  EXPECT_EQ(CountTwins(std::vector<std::int32_t>{0, 0, 0, 1, 2, kEmptySlot}, topology), 2);
  EXPECT_EQ(CountTwins(std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}, topology), 0);
}

TEST(BalanceMetrics, FetchesIgnoreTheOrderWithinAGpu) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 6});
  const std::vector<std::int32_t> before = {0, 1, 2, 3, 4, 5};
  EXPECT_EQ(CountFetches(before, std::vector<std::int32_t>{2, 1, 0, 5, 3, 4}, topology), 0);
  EXPECT_EQ(CountFetches(before, std::vector<std::int32_t>{3, 1, 2, 0, 4, 5}, topology), 2);
  EXPECT_EQ(CountFetches(before, std::vector<std::int32_t>{0, 1, 2, kEmptySlot, 4, 5}, topology), 0);
}

}  // namespace
}  // namespace eplb
