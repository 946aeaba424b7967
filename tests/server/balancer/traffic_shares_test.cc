// Plans for traffic shares: never worse than shares chosen for the plan for even ones, on average better; near the
// optimum of tiny cases; every rule kept; and their bound.

#include <algorithm>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/balancer.h"
#include "server/balancer/feasibility/placement_check.h"
#include "server/balancer/lower_bound.h"
#include "server/balancer/shares/share_optimizer.h"
#include "server/base/index.h"
#include "server/base/thread_team.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

// Of each layer, with the best shares.
std::vector<double> LoadsWithBestShares(const Placement& placement, const LoadMatrix& loads, const Topology& topology) {
  ShareOptimizer optimizer(topology, loads.num_experts());
  std::vector<double> max;
  for (int layer = 0; layer < loads.num_layers(); ++layer) {
    max.push_back(optimizer.OptimalShareLoad(placement.layer(layer), loads.layer(layer)));
  }
  return max;
}

TEST(TrafficSharesPlan, IsNeverWorseThanSharesForThePlanForEvenOnes) {
  testing::RandomProblems random(81);
  for (int round = 0; round < 150; ++round) {
    const int experts = random.Int(1, 40);
    const Topology topology =
        random.Int(0, 1) == 0 ? random.AnyTopology(experts, 12) : random.UniformTopology(experts, 12);
    const LoadSample sample{.loads = random.Loads(2, experts)};
    const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
    const Placement even = PlanRebalance(problem, {}, SerialFor())->placement;
    const std::vector<double> limit = LoadsWithBestShares(even, sample.loads, topology);
    const RebalancePlan plan = PlanRebalance(problem, {.traffic_shares = true}, SerialFor()).value();
    const std::vector<double> max = LoadsWithBestShares(plan.placement, sample.loads, topology);
    for (std::size_t layer = 0; layer < limit.size(); ++layer) {
      EXPECT_LE(max[layer], limit[layer] * (1 + 1e-9)) << "round " << round;
      EXPECT_NEAR(plan.layers[layer].after.max, max[layer], 1e-9 * max[layer]) << "round " << round;
      EXPECT_LE(plan.layers[layer].lower_bound, max[layer] * (1 + 1e-9)) << "round " << round;
      const std::span<const std::int32_t> slots = plan.placement.layer(static_cast<int>(layer));
      EXPECT_LE(CountTwins(slots, topology), CountTwins(even.layer(static_cast<int>(layer)), topology));
    }
  }
}

struct Fleet {
  const char* name;
  int experts;
  int gpus;
  int slots_per_gpu;
};

void PrintTo(const Fleet& fleet, std::ostream* out) { *out << fleet.name; }

class TrafficSharesOnAverage : public ::testing::TestWithParam<Fleet> {};

// Few slots per GPU: where loads are too coarse to be placed evenly, and shares matter.
TEST_P(TrafficSharesOnAverage, PlanningForThemIsBetter) {
  const Fleet& fleet = GetParam();
  testing::RandomProblems random(82);
  const Topology topology =
      Topology::Create({.num_gpus = fleet.gpus, .num_slots = fleet.gpus * fleet.slots_per_gpu}).value();
  const LoadSample sample{.loads = random.Loads(40, fleet.experts)};
  const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
  const std::vector<double> even =
      LoadsWithBestShares(PlanRebalance(problem, {}, SerialFor())->placement, sample.loads, topology);
  const std::vector<double> max = LoadsWithBestShares(
      PlanRebalance(problem, {.traffic_shares = true}, SerialFor())->placement, sample.loads, topology);
  double gain = 0;
  for (std::size_t layer = 0; layer < max.size(); ++layer) gain += even[layer] > 0 ? 1 - max[layer] / even[layer] : 0;
  EXPECT_GT(gain / static_cast<double>(max.size()), 1e-4);
  RecordProperty("mean_gain_ppm", static_cast<int>(1e6 * gain / static_cast<double>(max.size())));
}

INSTANTIATE_TEST_SUITE_P(Fleets, TrafficSharesOnAverage,
                         ::testing::Values(Fleet{"pairs", 8, 8, 2}, Fleet{"hardly_any_spare", 56, 32, 2},
                                           Fleet{"triples", 24, 10, 3}),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// The least largest GPU load with the best shares, over every placement: each GPU in turn is given each set of experts.
class BruteForceShares {
 public:
  BruteForceShares(const Topology& topology, std::span<const double> loads)
      : topology_(topology),
        loads_(loads),
        slots_(Index(topology.num_slots())),
        optimizer_(topology, static_cast<int>(loads.size())) {}

  double Best() {
    Fill(0);
    return best_;
  }

 private:
  void Fill(int slot) {
    if (slot == topology_.num_slots()) {
      const std::vector<std::int32_t> counts = CountReplicas(slots_, static_cast<int>(loads_.size()));
      if (std::ranges::find(counts, 0) == counts.end()) {
        best_ = std::min(best_, optimizer_.OptimalShareLoad(slots_, loads_));
      }
      return;
    }
    const bool first_on_gpu = slot == topology_.first_slot(topology_.gpu_of_slot(slot));
    for (std::int32_t expert = first_on_gpu ? 0 : slots_[Index(slot) - 1];
         expert < static_cast<std::int32_t>(loads_.size()); ++expert) {
      slots_[Index(slot)] = expert;
      Fill(slot + 1);
    }
  }

  const Topology& topology_;
  std::span<const double> loads_;
  std::vector<std::int32_t> slots_;
  ShareOptimizer optimizer_;
  double best_ = std::numeric_limits<double>::infinity();
};

TEST(TrafficSharesPlan, IsNearTheOptimumOfTinyCasesAndTheBoundBelow) {
  testing::RandomProblems random(83);
  double excess = 0;
  int rounds = 0;
  while (rounds < 60) {
    const int experts = random.Int(2, 6);
    const int gpus = random.Int(2, 4);
    const int slots = gpus * random.Int(1, 3);
    if (slots < experts || slots > 8) continue;
    ++rounds;
    const Topology topology = Topology::Create({.num_gpus = gpus, .num_slots = slots}).value();
    const LoadSample sample{.loads = random.Loads(1, experts)};
    const double best = BruteForceShares(topology, sample.loads.layer(0)).Best();
    if (best == 0) continue;
    const RebalancePlan plan =
        PlanRebalance({.topology = &topology, .samples = {&sample, 1}}, {.traffic_shares = true}, SerialFor()).value();
    EXPECT_LE(plan.layers[0].lower_bound, best * (1 + 1e-9));
    EXPECT_LE(LowerBound(topology).ProveForAnyShares(sample.loads.layer(0), slots), best * (1 + 1e-9));
    EXPECT_LE(plan.layers[0].after.max, best * 1.02) << "round " << rounds;
    excess += plan.layers[0].after.max / best - 1;
  }
  EXPECT_LE(excess / rounds, 0.002);
  RecordProperty("mean_excess_ppm", static_cast<int>(excess / rounds * 1e6));
}

TEST(TrafficSharesPlan, KeepsEveryRule) {
  testing::RandomProblems random(84);
  int planned = 0;
  for (int round = 0; round < 400; ++round) {
    const int groups = random.Int(1, 4);
    const int experts = groups * random.Int(1, 8);
    const int nodes = random.Int(1, 4);
    const int gpus = nodes * random.Int(1, 3);
    const int slots = gpus * ((experts * 2 + gpus - 1) / gpus + random.Int(0, 2));
    const Topology topology =
        Topology::Create({.num_gpus = gpus, .num_nodes = nodes, .num_groups = groups, .num_slots = slots}).value();
    PlacementConstraints constraints{.min_replicas = random.Int(1, 2)};
    if (random.Int(0, 1) == 0) {
      constraints.honour_groups = true;
    } else {
      constraints.min_nodes_per_expert = std::min(nodes, random.Int(1, 2));
    }
    if (random.Int(0, 2) == 0) constraints.slot_budget_per_layer = {experts * 2, slots};
    const LoadSample sample{.loads = random.Loads(2, experts)};
    const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}, .constraints = constraints};
    const absl::StatusOr<RebalancePlan> plan = PlanRebalance(problem, {.traffic_shares = true}, SerialFor());
    if (!plan.ok()) continue;  // rules that this fleet cannot keep
    ++planned;
    const Placement even = PlanRebalance(problem, {}, SerialFor())->placement;
    EXPECT_TRUE(CheckPlacement(even, constraints, topology).ok())
        << CheckPlacement(even, constraints, topology) << " round " << round;
    EXPECT_TRUE(CheckPlacement(plan->placement, constraints, topology).ok())
        << CheckPlacement(plan->placement, constraints, topology) << " round " << round;
    EXPECT_EQ(plan->placement, PlanRebalance(problem, {.traffic_shares = true}, ThreadTeam(2))->placement);
  }
  EXPECT_GT(planned, 200);
}

TEST(TrafficSharesPlan, IsNeverWorseForSeveralSamplesNorFromAPlacementInForce) {
  testing::RandomProblems random(85);
  for (int round = 0; round < 60; ++round) {
    const int experts = random.Int(2, 24);
    const Topology topology = random.UniformTopology(experts, 8);
    const std::vector<LoadSample> samples = {{.loads = random.Loads(2, experts), .weight = 3},
                                             {.loads = random.Loads(2, experts), .weight = 1}};
    const LoadSample former{.loads = random.Loads(2, experts)};
    const Placement current =
        PlanRebalance({.topology = &topology, .samples = {&former, 1}}, {}, SerialFor())->placement;
    RebalanceProblem problem{.topology = &topology, .samples = samples};
    const RebalancePlan even = PlanRebalance(problem, {}, SerialFor()).value();
    const RebalancePlan plan = PlanRebalance(problem, {.traffic_shares = true}, SerialFor()).value();
    problem.current = &current;
    const RebalancePlan fitted = PlanRebalance(problem, {.traffic_shares = true}, SerialFor()).value();
    for (std::size_t layer = 0; layer < 2; ++layer) {
      EXPECT_LE(plan.layers[layer].after.max, even.layers[layer].after.max * (1 + 1e-9)) << "round " << round;
      EXPECT_LE(fitted.layers[layer].after.max, plan.layers[layer].after.max * (1 + 1e-8)) << "round " << round;
      EXPECT_GE(plan.layers[layer].after.max, plan.layers[layer].lower_bound * (1 - 1e-9)) << "round " << round;
      EXPECT_GE(even.layers[layer].after.max, even.layers[layer].lower_bound * (1 - 1e-9)) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace eplb
