// Plans that replace a placement in force: what stays, what is fetched, on what way, and with which shares.

#include "server/balancer/replan_policy.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/feasibility/placement_check.h"
#include "server/base/index.h"
#include "server/base/thread_team.h"
#include "server/model/contiguous_placement.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;

LoadMatrix Drifted(const LoadMatrix& loads, double sigma, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(loads.values().begin(), loads.values().end());
  for (double& value : values) value *= std::exp(sigma * normal(random));
  return LoadMatrix::Create(loads.num_layers(), loads.num_experts(), std::move(values)).value();
}

LoadMatrix Lognormal(int layers, int experts) {
  return Drifted(LoadMatrix::Create(layers, experts, std::vector<double>(Index(layers * experts), 1000.0)).value(), 1,
                 7);
}

// Takes the transfers step by step, each expert on as many usable GPUs as before or after all the time.
Placement Apply(const Placement& from, const RebalancePlan& plan, const Topology& topology) {
  std::vector<std::int32_t> slots(from.physical_to_logical().begin(), from.physical_to_logical().end());
  const std::size_t width = Index(topology.num_slots());
  for (std::size_t i = 0; i < plan.transfers.size();) {
    const std::vector<std::int32_t> before = slots;
    const Transfer& first = plan.transfers[i];
    for (; i < plan.transfers.size() && plan.transfers[i].step == first.step; ++i) {
      const Transfer& transfer = plan.transfers[i];
      const std::size_t base = Index(transfer.layer) * width;
      EXPECT_EQ(transfer.layer, first.layer);
      if (transfer.source_slot != kEmptySlot) {
        EXPECT_EQ(before[base + Index(transfer.source_slot)], transfer.expert);
        EXPECT_TRUE(topology.can_send(topology.gpu_of_slot(transfer.source_slot)));
      }
      slots[base + Index(transfer.target_slot)] = transfer.expert;
    }
    EXPECT_TRUE(Placement::Create(from.num_layers(), from.num_experts(), from.num_slots(), slots).ok());
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (plan.placement.physical_to_logical()[i] == kEmptySlot) slots[i] = kEmptySlot;
  }
  return Placement::Create(from.num_layers(), from.num_experts(), from.num_slots(), slots).value();
}

TEST(Replan, TransfersLeadFromTheCurrentPlacementToThePlan) {
  testing::RandomProblems random(71);
  const ThreadTeam team(3);
  for (int round = 0; round < 120; ++round) {
    const int experts = random.Int(1, 40);
    const bool uniform = random.Int(0, 1) == 0;
    const Topology topology = uniform ? random.UniformTopology(experts, 10) : random.AnyTopology(experts, 10);
    const LoadSample sample{.loads = random.Loads(3, experts)};
    const Placement current = ContiguousPlacement(3, experts, topology).value();
    const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}, .current = &current};
    const RebalanceOptions options{.policy = uniform && random.Int(0, 1) == 0 ? Policy::kGlobal : Policy::kOptimized,
                                   .max_transfers_per_gpu = random.Int(0, 2)};
    const RebalancePlan plan = PlanRebalance(problem, options, SerialFor()).value();
    EXPECT_EQ(Apply(current, plan, topology), plan.placement) << "round " << round;
    EXPECT_TRUE(CheckPlacement(plan.placement, {}, topology).ok());
    const RebalancePlan parallel = PlanRebalance(problem, options, team).value();
    EXPECT_EQ(parallel.placement, plan.placement);
    EXPECT_EQ(parallel.transfers, plan.transfers);
    for (const LayerReport& layer : plan.layers) {
      if (options.policy == Policy::kOptimized && topology.is_uniform() && layer.reason != NoChangeReason::kChanged) {
        EXPECT_EQ(layer.fetches, 0);
      }
    }
  }
}

TEST(Replan, ReplanningForTheSameLoadsMovesNothing) {
  testing::RandomProblems random(72);
  for (int round = 0; round < 60; ++round) {
    const int experts = random.Int(1, 40);
    const Topology topology = random.AnyTopology(experts, 10);
    const LoadSample sample{.loads = random.Loads(3, experts)};
    RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
    const Placement first = PlanRebalance(problem, {}, SerialFor())->placement;
    problem.current = &first;
    const RebalancePlan again = PlanRebalance(problem, {}, SerialFor()).value();
    EXPECT_EQ(again.placement, first) << "round " << round;
    EXPECT_TRUE(again.transfers.empty());
    for (const LayerReport& layer : again.layers) EXPECT_EQ(layer.reason, NoChangeReason::kAlreadyBest);
  }
}

// Nodes that hold each expert of a layer.
std::vector<std::size_t> NodesPerExpert(const Placement& placement, int layer, const Topology& topology) {
  std::vector<std::set<int>> nodes(Index(placement.num_experts()));
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    const std::int32_t expert = placement.layer(layer)[Index(slot)];
    if (expert != kEmptySlot) nodes[Index(expert)].insert(topology.node_of_gpu(topology.gpu_of_slot(slot)));
  }
  std::vector<std::size_t> counts;
  for (const std::set<int>& held : nodes) counts.push_back(held.size());
  return counts;
}

TEST(Replan, SpreadOverNodesSurvivesRelabelling) {
  testing::RandomProblems random(73);
  const Topology topology = Topology::Create({.num_gpus = 8, .num_nodes = 4, .num_slots = 64}).value();
  for (int round = 0; round < 20; ++round) {
    const LoadSample before{.loads = random.Loads(2, 24)};
    const LoadSample after{.loads = random.Loads(2, 24)};
    RebalanceProblem problem{.topology = &topology, .samples = {&before, 1}};
    const Placement current = PlanRebalance(problem, {}, SerialFor())->placement;
    problem.samples = {&after, 1};
    const Placement planned = PlanRebalance(problem, {}, SerialFor())->placement;
    problem.current = &current;
    problem.constraints.min_nodes_per_expert = 2;
    const Placement fitted = FitToCurrent(problem, planned, Policy::kOptimized, SerialFor());
    for (int layer = 0; layer < 2; ++layer) {
      if (std::ranges::equal(fitted.layer(layer), current.layer(layer))) continue;
      EXPECT_EQ(NodesPerExpert(fitted, layer, topology), NodesPerExpert(planned, layer, topology));
    }
  }
}

double FetchPercent(int gpus, double drift) {
  const Topology topology = Topology::Create({.num_gpus = gpus, .num_slots = 288}).value();
  const LoadSample before{.loads = Lognormal(12, 256)};
  const LoadSample after{.loads = Drifted(before.loads, drift, 8)};
  RebalanceProblem problem{.topology = &topology, .samples = {&before, 1}};
  const Placement current = PlanRebalance(problem, {}, SerialFor())->placement;
  problem.samples = {&after, 1};
  problem.current = &current;
  return 100.0 * PlanRebalance(problem, {}, SerialFor())->fetches() / (288 * 12);
}

TEST(Replan, FullReplansFetchFarLessThanAll) {
  for (const double drift : {0.1, 0.3, 1.0}) {
    const double at_32 = FetchPercent(32, drift);
    const double at_144 = FetchPercent(144, drift);
    EXPECT_LT(at_32, 80) << drift;
    EXPECT_LT(at_144, 50) << drift;
    RecordProperty("fetch_percent_" + std::to_string(drift), std::to_string(at_32) + " " + std::to_string(at_144));
  }
}

TEST(TrafficShares, AreSharesAndNeverWorseThanEvenOnes) {
  testing::RandomProblems random(74);
  for (int round = 0; round < 80; ++round) {
    const int experts = random.Int(1, 40);
    const Topology topology = random.AnyTopology(experts, 12);
    const LoadSample sample{.loads = random.Loads(2, experts)};
    const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
    const RebalancePlan even = PlanRebalance(problem, {}, SerialFor()).value();
    const RebalancePlan plan = PlanRebalance(problem, {.traffic_shares = true}, SerialFor()).value();
    EXPECT_TRUE(even.slot_shares.empty());
    ASSERT_EQ(plan.slot_shares.size(), Index(2 * topology.num_slots()));
    for (std::size_t layer = 0; layer < 2; ++layer) {
      EXPECT_LE(plan.layers[layer].after.max, even.layers[layer].after.max * (1 + 1e-12));
      EXPECT_GE(plan.layers[layer].after.max, plan.layers[layer].lower_bound * (1 - 1e-9)) << "round " << round;
      std::vector<double> sum(Index(experts), 0.0);
      for (int slot = 0; slot < topology.num_slots(); ++slot) {
        const std::int32_t expert = plan.placement.layer(static_cast<int>(layer))[Index(slot)];
        if (expert != kEmptySlot)
          sum[Index(expert)] += plan.slot_shares[layer * Index(topology.num_slots()) + Index(slot)];
      }
      EXPECT_THAT(sum, Each(DoubleNear(1, 1e-12)));
    }
  }
}

}  // namespace
}  // namespace eplb
