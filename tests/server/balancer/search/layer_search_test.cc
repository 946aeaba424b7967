#include "server/balancer/search/layer_search.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/feasibility/placement_check.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/model/placement.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

using ::testing::Each;

// Plans one layer for one sample.
std::vector<std::int32_t> Plan(const Topology& topology, std::span<const double> loads,
                               const PlacementConstraints& constraints = {}, std::int64_t work_limit = 0) {
  LayerSearch search({.topology = &topology,
                      .constraints = &constraints,
                      .num_experts = static_cast<int>(loads.size()),
                      .work_limit = work_limit});
  const SampleLoads sample{.loads = loads};
  const int budget =
      constraints.slot_budget_per_layer.empty() ? topology.num_usable_slots() : constraints.slot_budget_per_layer[0];
  const std::span<const std::int32_t> slots = search.Run({&sample, 1}, budget);
  return {slots.begin(), slots.end()};
}

double MaxLoad(const Topology& topology, std::span<const std::int32_t> slots, std::span<const double> loads) {
  return BalanceMeter(topology).Measure(slots, loads).max;
}

void ExpectValid(const Topology& topology, const std::vector<std::int32_t>& slots, int num_experts,
                 const PlacementConstraints& constraints) {
  const auto placement = Placement::Create(1, num_experts, topology.num_slots(), slots);
  ASSERT_TRUE(placement.ok()) << placement.status();
  EXPECT_TRUE(CheckPlacement(*placement, constraints, topology).ok())
      << CheckPlacement(*placement, constraints, topology);
}

bool SomeGpuHasMoreSlotsThan(const Topology& topology, int num_experts) {
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.slots_on(gpu) > num_experts) return true;
  }
  return false;
}

TEST(LayerSearch, FindsTheOptimumOfTheWorkedExample) {
  const Topology topology = Topology::Create({.num_gpus = 8, .num_slots = 16}).value();
  const std::vector<double> loads = {600, 560, 120, 120, 20, 10, 10, 10};
  EXPECT_NEAR(MaxLoad(topology, Plan(topology, loads), loads), 590.0 / 3, 1e-9);
}

TEST(LayerSearch, SpreadsEqualLoadsEvenly) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 16}).value();
  const std::vector<double> loads(16, 5);
  EXPECT_DOUBLE_EQ(MaxLoad(topology, Plan(topology, loads), loads), 20);
}

TEST(LayerSearch, LayersWithoutLoadHoldEveryExpert) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 12}).value();
  const std::vector<double> loads(10, 0);
  ExpectValid(topology, Plan(topology, loads), 10, {});
}

TEST(LayerSearch, RepeatsExpertsOnlyWhereAGpuHasMoreSlotsThanThereAreExperts) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 10}).value();
  const std::vector<double> loads = {3, 1};
  EXPECT_DOUBLE_EQ(MaxLoad(topology, Plan(topology, loads), loads), 2);
  EXPECT_EQ(CountTwins(Plan(topology, loads), topology), 6);
  const Topology single = Topology::Create({.num_gpus = 1, .num_slots = 3}).value();
  EXPECT_THAT(Plan(single, std::vector<double>{7}), Each(0));
}

TEST(LayerSearch, FastGpusCarryMore) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 32, .gpu_speed = {1, 1, 2, 2}}).value();
  testing::RandomProblems random(3);
  std::vector<double> loads(28);
  for (double& load : loads) load = 10 + random.Int(0, 90);
  const LayerBalance balance = BalanceMeter(topology).Measure(Plan(topology, loads), loads);
  EXPECT_GT(balance.balancedness(), 0.998);
}

TEST(LayerSearch, KeepsGroupsOnTheirNodes) {
  const Topology topology = Topology::Create({.num_gpus = 8, .num_nodes = 4, .num_groups = 8, .num_slots = 48}).value();
  const PlacementConstraints constraints{.honour_groups = true};
  testing::RandomProblems random(4);
  for (int round = 0; round < 50; ++round) {
    const LoadMatrix loads = random.Loads(1, 32);
    const std::vector<std::int32_t> slots = Plan(topology, loads.layer(0), constraints);
    ExpectValid(topology, slots, 32, constraints);
    EXPECT_EQ(CountTwins(slots, topology), 0);
    ReferencePolicy reference(HierarchicalShape(32, topology));
    reference.Run(loads.layer(0));
    if (CountTwins(reference.physical_to_logical(), topology) > 0) continue;
    EXPECT_LE(MaxLoad(topology, slots, loads.layer(0)),
              MaxLoad(topology, reference.physical_to_logical(), loads.layer(0)) * (1 + 1e-9));
  }
}

TEST(LayerSearch, EveryPlanKeepsTheRulesOnAnyFleet) {
  testing::RandomProblems random(5);
  int planned = 0;
  for (int round = 0; round < 600; ++round) {
    const int experts = random.Int(1, 40);
    const Topology topology = random.AnyTopology(experts, 10);
    PlacementConstraints constraints{.min_replicas = random.Int(1, 2)};
    if (random.Int(0, 1) == 1 && topology.num_slots() > experts) {
      constraints.slot_budget_per_layer = {random.Int(experts, topology.num_slots())};
    }
    constraints.honour_groups = random.Int(0, 2) == 0 && experts % topology.num_groups() == 0;
    if (!CheckConstraints(constraints, 1, experts, topology).ok()) continue;
    if (!CheckFeasible(constraints, 1, experts, topology, nullptr).ok()) continue;
    ++planned;
    const LoadMatrix loads = random.Loads(1, experts);
    const std::vector<std::int32_t> slots = Plan(topology, loads.layer(0), constraints, 20'000);
    ExpectValid(topology, slots, experts, constraints);
    if (!SomeGpuHasMoreSlotsThan(topology, experts) && !constraints.honour_groups) {
      EXPECT_EQ(CountTwins(slots, topology), 0) << "round " << round;
    }
  }
  EXPECT_GT(planned, 200);
}

TEST(LayerSearch, IsNotWorseThanTheReferenceThatHasNoTwins) {
  testing::RandomProblems random(6);
  int compared = 0;
  for (int round = 0; round < 400; ++round) {
    const int experts = random.Int(2, 64);
    const Topology topology = random.UniformTopology(experts, 12);
    const LoadMatrix loads = random.Loads(1, experts);
    ReferencePolicy reference(GlobalShape(experts, topology));
    reference.Run(loads.layer(0));
    if (CountTwins(reference.physical_to_logical(), topology) > 0) continue;
    ++compared;
    const double reference_max = MaxLoad(topology, reference.physical_to_logical(), loads.layer(0));
    for (const std::int64_t work_limit : {1, 1000, 0}) {
      const double max = MaxLoad(topology, Plan(topology, loads.layer(0), {}, work_limit), loads.layer(0));
      EXPECT_LE(max, reference_max * (1 + 1e-9)) << "round " << round << " work " << work_limit;
    }
  }
  EXPECT_GT(compared, 100);
}

double Objective(const Topology& topology, std::span<const std::int32_t> slots, std::span<const SampleLoads> samples) {
  double sum = 0;
  for (const SampleLoads& sample : samples) sum += sample.weight * MaxLoad(topology, slots, sample.loads);
  return sum;
}

TEST(LayerSearch, ServesSeveralSamplesBetterThanTheirMean) {
  testing::RandomProblems random(8);
  double for_samples = 0;
  double for_mean = 0;
  for (int round = 0; round < 20; ++round) {
    const int experts = random.Int(16, 48);
    const Topology topology = Topology::Create({.num_gpus = 8, .num_slots = 64}).value();
    const int count = random.Int(2, 5);
    std::vector<std::vector<double>> loads(static_cast<std::size_t>(count), std::vector<double>());
    std::vector<SampleLoads> samples;
    std::vector<double> mean(static_cast<std::size_t>(experts), 0);
    for (std::vector<double>& row : loads) {
      const double weight = random.Int(1, 3);
      for (int expert = 0; expert < experts; ++expert) {
        row.push_back(random.Int(0, 1000));
        mean[static_cast<std::size_t>(expert)] += weight * row.back();
      }
      samples.push_back({.loads = row, .weight = weight});
    }
    const PlacementConstraints constraints;
    LayerSearch search({.topology = &topology, .constraints = &constraints, .num_experts = experts});
    const std::vector<std::int32_t> mean_slots = Plan(topology, mean);
    const std::span<const std::int32_t> slots = search.Run(samples, topology.num_slots());
    ExpectValid(topology, {slots.begin(), slots.end()}, experts, {});
    EXPECT_EQ(CountTwins(slots, topology), 0);
    for_samples += Objective(topology, slots, samples);
    for_mean += Objective(topology, mean_slots, samples);
  }
  EXPECT_LT(for_samples, 0.97 * for_mean);
}

TEST(LayerSearch, EqualSamplesAreOneSample) {
  testing::RandomProblems random(9);
  const Topology topology = Topology::Create({.num_gpus = 8, .num_slots = 72}).value();
  const PlacementConstraints constraints;
  const LoadMatrix loads = random.Loads(1, 64);
  const std::vector<SampleLoads> samples(3, {.loads = loads.layer(0)});
  LayerSearch search({.topology = &topology, .constraints = &constraints, .num_experts = 64});
  const std::span<const std::int32_t> slots = search.Run(samples, 72);
  const double one = MaxLoad(topology, Plan(topology, loads.layer(0)), loads.layer(0));
  EXPECT_LE(MaxLoad(topology, slots, loads.layer(0)), one * 1.001);
}

TEST(LayerSearch, EveryExpertSurvivesTheLossOfANode) {
  testing::RandomProblems random(10);
  int planned = 0;
  for (int round = 0; round < 300; ++round) {
    const int experts = random.Int(1, 32);
    const Topology topology = random.AnyTopology(experts, 12);
    PlacementConstraints constraints{.min_replicas = random.Int(1, 3), .min_nodes_per_expert = random.Int(2, 3)};
    if (!CheckConstraints(constraints, 1, experts, topology).ok()) continue;
    if (!CheckFeasible(constraints, 1, experts, topology, nullptr).ok()) continue;
    ++planned;
    const LoadMatrix loads = random.Loads(1, experts);
    const std::vector<std::int32_t> slots = Plan(topology, loads.layer(0), constraints, 20'000);
    ExpectValid(topology, slots, experts, constraints);
    if (!SomeGpuHasMoreSlotsThan(topology, experts)) {
      EXPECT_EQ(CountTwins(slots, topology), 0) << "round " << round;
    }
  }
  EXPECT_GT(planned, 5);
}

TEST(LayerSearch, SpreadOverNodesCostsLittleBalance) {
  const Topology topology = Topology::Create({.num_gpus = 16, .num_nodes = 4, .num_slots = 160}).value();
  const PlacementConstraints constraints{.min_nodes_per_expert = 2};
  testing::RandomProblems random(11);
  for (int round = 0; round < 10; ++round) {
    std::vector<double> loads(64);
    for (double& load : loads) load = random.Int(1, 1000);
    const std::vector<std::int32_t> slots = Plan(topology, loads, constraints);
    ExpectValid(topology, slots, 64, constraints);
    EXPECT_GT(BalanceMeter(topology).Measure(slots, loads).balancedness(), 0.995) << "round " << round;
  }
}

TEST(LayerSearch, ScratchOfOneLayerDoesNotShowInTheNext) {
  testing::RandomProblems random(7);
  const Topology topology = Topology::Create({.num_gpus = 6, .num_slots = 24}).value();
  const PlacementConstraints constraints;
  LayerSearch search({.topology = &topology, .constraints = &constraints, .num_experts = 20});
  for (int round = 0; round < 20; ++round) {
    const LoadMatrix loads = random.Loads(1, 20);
    const SampleLoads sample{.loads = loads.layer(0)};
    EXPECT_TRUE(std::ranges::equal(search.Run({&sample, 1}, 24), Plan(topology, loads.layer(0))));
  }
}

}  // namespace
}  // namespace eplb
