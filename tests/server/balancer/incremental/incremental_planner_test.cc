#include "server/balancer/incremental/incremental_planner.h"

#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/feasibility/placement_check.h"

namespace eplb {
namespace {

Placement Slots(int experts, const std::vector<std::vector<std::int32_t>>& layers) {
  std::vector<std::int32_t> all;
  for (const std::vector<std::int32_t>& layer : layers) all.insert(all.end(), layer.begin(), layer.end());
  return Placement::Create(static_cast<int>(layers.size()), experts, static_cast<int>(layers[0].size()), all).value();
}

LoadSample Loads(const std::vector<std::vector<double>>& layers, double weight = 1) {
  std::vector<double> all;
  for (const std::vector<double>& layer : layers) all.insert(all.end(), layer.begin(), layer.end());
  return {.loads = LoadMatrix::Create(static_cast<int>(layers.size()), static_cast<int>(layers[0].size()), all).value(),
          .weight = weight};
}

// A planning problem that owns its parts.
struct Scenario {
  Topology topology;
  std::vector<LoadSample> samples;
  Placement current;
  PlacementConstraints constraints = {};
  std::vector<LoadMatrix> variances = {};

  absl::StatusOr<IncrementalPlan> Plan(const IncrementalOptions& options) const {
    return PlanIncrement({.topology = &topology,
                          .samples = samples,
                          .variances = variances,
                          .current = &current,
                          .constraints = constraints},
                         options, SerialFor());
  }
  std::vector<std::int32_t> PlannedSlots(const IncrementalOptions& options) const {
    const IncrementalPlan plan = Plan(options).value();
    return {plan.placement.physical_to_logical().begin(), plan.placement.physical_to_logical().end()};
  }
};

Topology Even(int gpus, int slots) { return Topology::Create({.num_gpus = gpus, .num_slots = slots}).value(); }

TEST(IncrementalPlanner, OneFetchReplicatesTheHotExpertOverTheIdleReplica) {
  // Given GPU 0 with the hot expert 0, and a second replica of the cold expert 3 on GPU 1.
  const Scenario scenario{Even(2, 6), {Loads({{90, 10, 10, 2, 10}})}, Slots(5, {{0, 1, 3, 2, 4, 3}})};
  // When one fetch is allowed, then it goes where it gains most: expert 0 takes the place of expert 3 on GPU 1.
  EXPECT_EQ(scenario.PlannedSlots({.max_fetches_per_layer = 1}), (std::vector<std::int32_t>{0, 1, 3, 2, 4, 0}));
}

TEST(IncrementalPlanner, ExchangesWhereNothingIsReplicated) {
  const Scenario scenario{Even(2, 4), {Loads({{50, 40, 10, 20}})}, Slots(4, {{0, 1, 2, 3}})};
  const IncrementalPlan plan = scenario.Plan({.max_fetches_per_layer = 2}).value();
  EXPECT_EQ(plan.layers[0].fetches, 2);
  EXPECT_EQ(MeasureBalance(plan.placement, scenario.samples[0].loads, scenario.topology)[0].max, 60.0);
  // And with one fetch nothing can be done, which is told.
  const IncrementalPlan starved = scenario.Plan({.max_fetches_per_layer = 1}).value();
  EXPECT_EQ(starved.placement, scenario.current);
  EXPECT_TRUE(starved.layers[0].budget_exhausted);
}

TEST(IncrementalPlanner, NoBudgetMovesNothing) {
  const Scenario scenario{Even(2, 4), {Loads({{50, 40, 10, 20}})}, Slots(4, {{0, 1, 2, 3}})};
  EXPECT_EQ(scenario.Plan({.max_fetches = 0})->placement, scenario.current);
}

TEST(IncrementalPlanner, ABalancedLayerStaysAsItIs) {
  const Scenario scenario{Even(2, 4), {Loads({{50, 10, 40, 20}})}, Slots(4, {{0, 1, 2, 3}})};
  const IncrementalPlan plan = scenario.Plan({}).value();
  EXPECT_EQ(plan.placement, scenario.current);
  EXPECT_FALSE(plan.layers[0].budget_exhausted);
}

TEST(IncrementalPlanner, LayersCompeteForTheTotal) {
  const Scenario scenario{
      Even(2, 4), {Loads({{30, 28, 25, 25}, {500, 400, 100, 200}})}, Slots(4, {{0, 1, 2, 3}, {0, 1, 2, 3}})};
  const IncrementalPlan plan = scenario.Plan({.max_fetches = 2}).value();
  EXPECT_EQ(plan.layers[0].fetches, 0);
  EXPECT_EQ(plan.layers[1].fetches, 2);
}

TEST(IncrementalPlanner, AFetchMustBeWorthItsPrice) {
  const Scenario scenario{Even(2, 4), {Loads({{50, 40, 10, 20}})}, Slots(4, {{0, 1, 2, 3}})};
  EXPECT_NE(scenario.Plan({.price = {.tokens = 1}})->placement, scenario.current);
  EXPECT_EQ(scenario.Plan({.price = {.tokens = 100}})->placement, scenario.current);
}

TEST(IncrementalPlanner, AnEmptySlotIsFilledBeforeAnythingIsExchanged) {
  const Scenario scenario{Even(2, 4), {Loads({{60, 10, 20}})}, Slots(3, {{0, 1, 2, kEmptySlot}})};
  EXPECT_EQ(scenario.PlannedSlots({.max_fetches_per_layer = 1}), (std::vector<std::int32_t>{0, 1, 2, 0}));
}

TEST(IncrementalPlanner, SlotBudgetsAreKept) {
  Scenario scenario{Even(2, 4), {Loads({{60, 10, 20}})}, Slots(3, {{0, 1, 2, kEmptySlot}})};
  scenario.constraints.slot_budget_per_layer = {3};
  const IncrementalPlan plan = scenario.Plan({}).value();
  EXPECT_EQ(std::ranges::count(plan.placement.physical_to_logical(), kEmptySlot), 1);
  // And where more are in use than the budget allows, the replica that is missed least goes, without a fetch.
  scenario.current = Slots(3, {{0, 1, 2, 0}});
  const IncrementalPlan shrunk = scenario.Plan({.max_fetches = 0}).value();
  EXPECT_EQ(std::ranges::count(shrunk.placement.physical_to_logical(), kEmptySlot), 1);
}

TEST(IncrementalPlanner, TheFasterGpuGetsMore) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4, .gpu_speed = {1.0, 3.0}}).value();
  const Scenario scenario{topology, {Loads({{50, 40, 10, 20}})}, Slots(4, {{0, 1, 2, 3}})};
  const IncrementalPlan plan = scenario.Plan({}).value();
  EXPECT_EQ(MeasureBalance(plan.placement, scenario.samples[0].loads, topology)[0].max, 30.0);
}

TEST(IncrementalPlanner, AnExpertOfADeadGpuComesBackWithoutABudget) {
  const Topology topology = Topology::Create({.num_gpus = 3, .num_slots = 6, .excluded_gpus = {2}}).value();
  const Scenario scenario{topology, {Loads({{10, 10, 10, 10}})}, Slots(4, {{0, 1, 2, 0, 3, 2}})};
  const IncrementalPlan plan = scenario.Plan({.max_fetches = 0}).value();
  const std::vector<std::int32_t> slots(plan.placement.layer(0).begin(), plan.placement.layer(0).end());
  EXPECT_EQ(slots[4], kEmptySlot);
  EXPECT_EQ(slots[5], kEmptySlot);
  EXPECT_EQ(std::ranges::count(slots, 3), 1);
  EXPECT_EQ(plan.layers[0].repairs, 1);
  EXPECT_EQ(plan.layers[0].fetches, 1);
}

TEST(IncrementalPlanner, TooFewSlotsIsAFailedPrecondition) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4, .excluded_gpus = {1}}).value();
  const Scenario scenario{topology, {Loads({{10, 10, 10, 10}})}, Slots(4, {{0, 1, 2, 3}})};
  const absl::Status status = scenario.Plan({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(IncrementalPlanner, MissingReplicasAndSpreadAreRepairedBeforeBalance) {
  // Two nodes of one GPU each; every expert is wanted on both.
  const Topology topology = Topology::Create({.num_gpus = 2, .num_nodes = 2, .num_slots = 6}).value();
  Scenario scenario{topology, {Loads({{90, 10, 1}})}, Slots(3, {{0, 1, kEmptySlot, 2, 2, kEmptySlot}})};
  scenario.constraints = {.min_replicas = 2, .min_nodes_per_expert = 2};
  const IncrementalPlan plan = scenario.Plan({}).value();
  for (int gpu = 0; gpu < 2; ++gpu) {
    std::vector<std::int32_t> held(plan.placement.layer(0).begin() + gpu * 3,
                                   plan.placement.layer(0).begin() + gpu * 3 + 3);
    std::ranges::sort(held);
    EXPECT_EQ(held, (std::vector<std::int32_t>{0, 1, 2}));
  }
}

TEST(IncrementalPlanner, AChainFreesASlotWhereTheSpareOneIsOnTheWrongGpu) {
  // Expert 0 needs a second replica, but the only spare slot, the third replica of 1, is on its own GPU.
  const Topology topology = Even(3, 7);
  Scenario scenario{topology, {Loads({{5, 5, 5}})}, Slots(3, {{0, 1, 2, 1, 2, 1, 2}})};
  scenario.constraints.min_replicas = 2;
  const IncrementalPlan plan = scenario.Plan({}).value();
  for (const std::int32_t replicas : CountReplicas(plan.placement.layer(0), 3)) EXPECT_GE(replicas, 2);
}

TEST(IncrementalPlanner, EachSampleCounts) {
  // Experts 0 and 1 are hot at different times; both samples ask for a replica of their own hot expert.
  const Scenario scenario{Even(2, 6),
                          {Loads({{100, 1, 10, 10}}, 3), Loads({{1, 100, 10, 10}}, 1)},
                          Slots(4, {{0, 1, 2, 3, 2, kEmptySlot}})};
  EXPECT_EQ(scenario.PlannedSlots({.max_fetches_per_layer = 1}), (std::vector<std::int32_t>{0, 1, 2, 3, 2, 0}));
  const std::vector<std::int32_t> slots = scenario.PlannedSlots({});
  EXPECT_EQ(std::ranges::count(slots, 1), 2);
}

TEST(IncrementalPlanner, AnErraticExpertIsReplicatedBeforeASteadyOneOfEqualLoad) {
  Scenario scenario{Even(2, 6), {Loads({{40, 40, 20, 20}})}, Slots(4, {{0, 1, kEmptySlot, 2, 3, kEmptySlot}})};
  EXPECT_EQ(scenario.PlannedSlots({.max_fetches_per_layer = 1}),
            (std::vector<std::int32_t>{0, 1, kEmptySlot, 2, 3, 0}));
  scenario.variances = {Loads({{0, 400, 0, 0}}).loads};
  EXPECT_EQ(scenario.PlannedSlots({.max_fetches_per_layer = 1}),
            (std::vector<std::int32_t>{0, 1, kEmptySlot, 2, 3, 1}));
}

TEST(IncrementalPlanner, HonouredGroupsStayOnTheirNodes) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_nodes = 2, .num_groups = 2, .num_slots = 8}).value();
  Scenario scenario{topology, {Loads({{90, 80, 10, 10, 1, 1}})}, Slots(6, {{0, 1, 2, 2, 3, 4, 5, 3}})};
  scenario.constraints.honour_groups = true;
  const IncrementalPlan plan = scenario.Plan({}).value();
  for (int slot = 0; slot < 8; ++slot) EXPECT_EQ(plan.placement.layer(0)[static_cast<std::size_t>(slot)] / 3, slot / 4);
  EXPECT_GT(plan.layers[0].fetches, 0);
}

TEST(IncrementalPlanner, GroupsThatLoseTheirNodeGoWhereThereIsRoom) {
  // Four groups of 16 experts, two on each node of four GPUs. When all of node 0 is lost, node 1 has a slot for each.
  const Topology topology =
      Topology::Create(
          {.num_gpus = 8, .num_nodes = 2, .num_groups = 4, .num_slots = 128, .excluded_gpus = {0, 1, 2, 3}})
          .value();
  std::vector<std::int32_t> slots;
  std::vector<double> loads;
  for (int slot = 0; slot < 128; ++slot) slots.push_back(slot / 64 * 32 + slot % 32);
  for (int expert = 0; expert < 64; ++expert) loads.push_back(10.0 + expert);
  Scenario scenario{topology, {Loads({loads})}, Slots(64, {slots})};
  scenario.constraints.honour_groups = true;
  const IncrementalPlan plan = scenario.Plan({.max_fetches_per_layer = 3}).value();
  EXPECT_EQ(CheckPlacement(plan.placement, scenario.constraints, topology), absl::OkStatus());
  EXPECT_GE(plan.layers[0].fetches, 32);
  EXPECT_LE(plan.layers[0].fetches, 32 + 3);
}

TEST(IncrementalPlanner, AReplicaOffItsGroupsNodeIsMovedBeforeAnythingIsBalanced) {
  // Groups {0, 1, 2} and {3, 4, 5}; experts 2 and 3 are on each other's node. Balance alone would split expert 0.
  const Topology topology = Topology::Create({.num_gpus = 4, .num_nodes = 2, .num_groups = 2, .num_slots = 8}).value();
  Scenario scenario{topology, {Loads({{90, 10, 10, 10, 10, 10}})}, Slots(6, {{0, 1, 3, 3, 2, 4, 5, 4}})};
  scenario.constraints.honour_groups = true;
  const IncrementalPlan one = scenario.Plan({.max_fetches_per_layer = 1}).value();
  EXPECT_EQ(one.layers[0].repairs, 1);
  EXPECT_EQ(one.layers[0].fetches, 1);
  EXPECT_TRUE(one.layers[0].budget_exhausted);
  const IncrementalPlan plan = scenario.Plan({}).value();
  EXPECT_EQ(CheckPlacement(plan.placement, scenario.constraints, topology), absl::OkStatus());
}

TEST(IncrementalPlanner, ABalancedLayerStillRegainsItsReplicas) {
  // Three GPUs hold every expert twice; GPU 2 dies, and what it held is wanted twice again.
  const Topology topology = Topology::Create({.num_gpus = 3, .num_slots = 9, .excluded_gpus = {2}}).value();
  Scenario scenario{topology, {Loads({{10, 10, 10}})}, Slots(3, {{0, 1, -1, 2, 1, -1, 0, 2, -1}})};
  scenario.constraints.min_replicas = 2;
  const IncrementalPlan plan = scenario.Plan({.max_fetches_per_layer = 3, .min_balancedness = 0.5}).value();
  for (const std::int32_t replicas : CountReplicas(plan.placement.layer(0), 3)) EXPECT_EQ(replicas, 2);
  EXPECT_FALSE(plan.layers[0].budget_exhausted);
  EXPECT_EQ(plan.layers[0].fetches, plan.layers[0].repairs);
  // The budget for it is kept.
  const IncrementalPlan one = scenario.Plan({.max_fetches_per_layer = 1, .min_balancedness = 0.5}).value();
  EXPECT_EQ(one.layers[0].fetches, 1);
  EXPECT_TRUE(one.layers[0].budget_exhausted);
}

TEST(IncrementalPlanner, ABalancedLayerMissesNothing) {
  const Scenario scenario{Even(2, 4), {Loads({{50, 40, 40, 30}})}, Slots(4, {{0, 1, 2, 3}})};
  const IncrementalPlan plan = scenario.Plan({.max_fetches_per_layer = 3, .min_balancedness = 0.5}).value();
  EXPECT_EQ(plan.placement, scenario.current);
  EXPECT_FALSE(plan.layers[0].budget_exhausted);
}

}  // namespace
}  // namespace eplb
