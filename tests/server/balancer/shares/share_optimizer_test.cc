#include "server/balancer/shares/share_optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/reference/reference_policy.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Pointwise;
using Layer = std::vector<std::int32_t>;

MATCHER(IsNear, "") { return std::abs(std::get<0>(arg) - std::get<1>(arg)) < 1e-9; }

TEST(ShareOptimizer, WorkedExample) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  ShareOptimizer optimizer(topology, 3);
  optimizer.Run(Layer{0, 1, 0, 2}, std::vector<double>{60, 50, 10});
  EXPECT_THAT(optimizer.share(), Pointwise(IsNear(), {1.0 / 6, 1.0, 5.0 / 6, 1.0}));
  EXPECT_NEAR(optimizer.max_load(), 60, 1e-9);
  EXPECT_NEAR(optimizer.balancedness(), 1, 1e-9);
}

TEST(ShareOptimizer, FastGpuGetsMore) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 2, .gpu_speed = {3, 1}});
  ShareOptimizer optimizer(topology, 1);
  optimizer.Run(Layer{0, 0}, std::vector<double>{80});
  EXPECT_THAT(optimizer.share(), Pointwise(IsNear(), {0.75, 0.25}));
  EXPECT_THAT(optimizer.gpu_load(), Pointwise(IsNear(), {20.0, 20.0}));
}

TEST(ShareOptimizer, LoadTravelsOverSeveralExperts) {
  // GPU 0: A B, GPU 1: B C, GPU 2: C: A has nowhere to go, so B leaves GPU 0 and pushes C on to GPU 2.
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 5, .slots_per_gpu = {2, 2, 1}});
  ShareOptimizer optimizer(topology, 3);
  optimizer.Run(Layer{0, 1, 1, 2, 2}, std::vector<double>{60, 60, 60});
  EXPECT_THAT(optimizer.gpu_load(), Pointwise(IsNear(), {60.0, 60.0, 60.0}));
  EXPECT_THAT(optimizer.share(), Pointwise(IsNear(), {1.0, 0.0, 1.0, 0.0, 1.0}));
}

TEST(ShareOptimizer, BelowTheBottleneckTheRestIsBalancedToo) {
  // GPU 0 is stuck with A; B is on GPUs 1 and 2, of which one has C as well.
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 6});
  ShareOptimizer optimizer(topology, 3);
  optimizer.Run(Layer{0, 1, 1, 2, 1, kEmptySlot}, std::vector<double>{100, 50, 10});
  EXPECT_THAT(optimizer.gpu_load(), Pointwise(IsNear(), {100.0, 30.0, 30.0}));
}

TEST(ShareOptimizer, ExcludedReplicasGetNothingAndLostExpertsAreEven) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 6, .excluded_gpus = {2}});
  ShareOptimizer optimizer(topology, 3);
  optimizer.Run(Layer{0, 1, 1, kEmptySlot, 2, 1}, std::vector<double>{10, 20, 40});
  EXPECT_THAT(optimizer.share(), Pointwise(IsNear(), {1.0, 0.25, 0.75, 0.0, 1.0, 0.0}));
  EXPECT_THAT(optimizer.gpu_load(), Pointwise(IsNear(), {15.0, 15.0, 0.0}));
}

TEST(ShareOptimizer, TwinsShareWhatTheirGpuGets) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  ShareOptimizer optimizer(topology, 2);
  optimizer.Run(Layer{0, 0, 0, 1}, std::vector<double>{30, 10});
  EXPECT_THAT(optimizer.share(), Pointwise(IsNear(), {1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0}));
}

TEST(ShareOptimizer, WithoutLoadSharesAreEven) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 2});
  ShareOptimizer optimizer(topology, 1);
  optimizer.Run(Layer{0, 0}, std::vector<double>{0});
  EXPECT_THAT(optimizer.share(), ElementsAre(0.5, 0.5));
  EXPECT_EQ(optimizer.max_load(), 0);
  EXPECT_EQ(optimizer.balancedness(), 1);
}

// The tightest cut by trying every set of experts: max over S of load(S) / speed(GPUs that hold one of S).
double TightestCut(const Topology& topology, const Layer& slots, const std::vector<double>& loads) {
  double tightest = 0;
  for (unsigned set = 1; set < (1U << loads.size()); ++set) {
    double load = 0;
    double speed = 0;
    std::vector<bool> held(loads.size(), false);
    for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
      bool holds = false;
      for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
        const std::int32_t expert = slots[Index(slot)];
        if (expert == kEmptySlot || topology.excluded(gpu) || !((set >> expert) & 1U)) continue;
        held[Index(expert)] = true;
        holds = true;
      }
      if (holds) speed += topology.speed(gpu);
    }
    for (std::size_t expert = 0; expert < loads.size(); ++expert) {
      if (held[expert]) load += loads[expert];
    }
    if (speed > 0) tightest = std::max(tightest, load / speed);
  }
  return tightest;
}

// GPU loads that the shares give; checks that the shares are shares.
std::vector<double> GpuLoads(const Topology& topology, const Layer& slots, const std::vector<double>& loads,
                             std::span<const double> share) {
  std::vector<double> gpu_load(Index(topology.num_gpus()), 0.0);
  std::vector<double> sum(loads.size(), 0.0);
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    const std::int32_t expert = slots[Index(slot)];
    const int gpu = topology.gpu_of_slot(slot);
    EXPECT_GE(share[Index(slot)], 0.0);
    if (expert == kEmptySlot) {
      EXPECT_EQ(share[Index(slot)], 0.0);
      continue;
    }
    sum[Index(expert)] += share[Index(slot)];
    if (!topology.excluded(gpu)) {
      gpu_load[Index(gpu)] += share[Index(slot)] * loads[Index(expert)] / topology.speed(gpu);
    }
  }
  EXPECT_THAT(sum, Each(DoubleNear(1.0, 1e-12)));
  return gpu_load;
}

// No expert sends tokens to a GPU while another of its GPUs is less loaded: the lexicographic optimum.
void ExpectNoShiftHelps(const Topology& topology, const Layer& slots, const std::vector<double>& loads,
                        std::span<const double> share, const std::vector<double>& gpu_load) {
  const double scale = *std::ranges::max_element(gpu_load);
  for (std::size_t from = 0; from < slots.size(); ++from) {
    const int gpu = topology.gpu_of_slot(static_cast<int>(from));
    if (slots[from] == kEmptySlot || share[from] * loads[Index(slots[from])] < 1e-9 * scale) continue;
    for (std::size_t to = 0; to < slots.size(); ++to) {
      const int other = topology.gpu_of_slot(static_cast<int>(to));
      if (slots[to] != slots[from] || topology.excluded(other) || topology.excluded(gpu)) continue;
      EXPECT_GE(gpu_load[Index(other)], gpu_load[Index(gpu)] - 1e-9 * scale);
    }
  }
}

std::vector<double> RandomLoads(std::mt19937_64& random, int experts) {
  std::vector<double> loads(Index(experts));
  for (double& load : loads) load = RandomInt(random, 0, 4) == 0 ? 0 : RandomInt(random, 0, 1000);
  return loads;
}

TEST(ShareOptimizer, ReachesTheTightestCutOnSmallRandomLayers) {
  std::mt19937_64 random(51);
  for (int round = 0; round < 2000; ++round) {
    const Topology topology = RandomTopology(random, 6, 4);
    const int experts = RandomInt(random, 1, std::min(8, topology.num_usable_slots()));
    const Layer slots = RandomLayer(random, topology, experts, 4, RandomInt(random, 0, 1) == 0);
    const std::vector<double> loads = RandomLoads(random, experts);
    ShareOptimizer optimizer(topology, experts);
    optimizer.Run(slots, loads);
    const double tightest = TightestCut(topology, slots, loads);
    ASSERT_NEAR(optimizer.max_load(), tightest, 1e-9 * tightest) << "round " << round;
    const std::vector<double> gpu_load = GpuLoads(topology, slots, loads, optimizer.share());
    ASSERT_THAT(gpu_load, Pointwise(IsNear(), optimizer.gpu_load())) << "round " << round;
    ExpectNoShiftHelps(topology, slots, loads, optimizer.share(), gpu_load);
    const double max_load = optimizer.max_load();
    ASSERT_NEAR(optimizer.OptimalShareLoad(slots, loads), max_load, 1e-9 * max_load) << "round " << round;
  }
}

TEST(ShareOptimizer, IsNeverWorseThanEvenSharesOnLargerRandomLayers) {
  std::mt19937_64 random(52);
  for (int round = 0; round < 200; ++round) {
    const Topology topology = RandomTopology(random, 40, 8);
    const int experts = RandomInt(random, 1, topology.num_usable_slots());
    const Layer slots = RandomLayer(random, topology, experts, 5);
    const std::vector<double> loads = RandomLoads(random, experts);
    ShareOptimizer optimizer(topology, experts);
    optimizer.Run(slots, loads);
    BalanceMeter meter(topology);
    const LayerBalance even = meter.Measure(slots, loads);
    EXPECT_LE(optimizer.max_load(), even.max * (1 + 1e-12));
    EXPECT_GE(optimizer.max_load(), even.mean * (1 - 1e-12));
    ExpectNoShiftHelps(topology, slots, loads, optimizer.share(), GpuLoads(topology, slots, loads, optimizer.share()));
  }
}

TEST(ShareOptimizer, ImprovesPublishedPlacements) {
  for (const int gpus : {32, 72, 144}) {
    const Topology topology = MakeTopology({.num_gpus = gpus, .num_slots = 288});
    ReferencePolicy policy(GlobalShape(256, topology));
    ShareOptimizer optimizer(topology, 256);
    BalanceMeter meter(topology);
    std::mt19937_64 random(53);
    std::normal_distribution<double> normal;
    double even = 0;
    double optimal = 0;
    for (int layer = 0; layer < 20; ++layer) {
      std::vector<double> loads(256);
      for (double& load : loads) load = std::exp(normal(random));
      policy.Run(loads);
      even += meter.Measure(policy.physical_to_logical(), loads).balancedness() / 20;
      optimizer.Run(policy.physical_to_logical(), loads);
      optimal += optimizer.balancedness() / 20;
    }
    EXPECT_GT(optimal, even + 0.001) << gpus;
    RecordProperty("balancedness_" + std::to_string(gpus), std::to_string(even) + " -> " + std::to_string(optimal));
  }
}

}  // namespace
}  // namespace eplb
