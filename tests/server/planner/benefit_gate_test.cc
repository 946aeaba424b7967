#include "server/planner/benefit_gate.h"

#include <vector>

#include "gtest/gtest.h"
#include "server/planner/adaptive_tick_planner.h"

namespace eplb {
namespace {

// One layer, two GPUs carrying 90 and 30; experts of 1 GB.
struct Scenario {
  Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4}).value();
  Placement current = Placement::Create(1, 4, 4, {0, 1, 2, 3}).value();
  LoadMatrix loads = LoadMatrix::Create(1, 4, {50, 40, 10, 20}).value();
  PlanSettings settings = {.budget = {.per_layer = 2},
                           .bytes_per_expert = 1'000'000'000,
                           .horizon = absl::Seconds(10),
                           .intra_node_bytes_per_second = 1e9,
                           .hysteresis_ratio = 0.5,
                           .expert_time_ratio = 0.5};

  BenefitGate Gate() const {
    return BenefitGate(settings, settings.expert_time_ratio, topology, current, loads, {}, {});
  }
  TickPlan Plan() const {
    const SerialFor serial;
    return AdaptiveTickPlanner(serial)
        .Plan({.topology = &topology, .history = {&loads, 1}, .current = &current, .settings = settings})
        .value();
  }
};

TEST(BenefitGate, GainAndCostAreGpuSeconds) {
  const BenefitGate gate = Scenario().Gate();
  // 2 GPUs spend 0.5 x 10 s in expert layers, in which the largest load is 90: 30 tokens less save a third of it.
  EXPECT_NEAR(gate.GainOf(30), 2 * 0.5 * 10 / 3.0, 1e-9);
  // 1 GB at 1 GB/s keeps both ends busy for a second.
  EXPECT_DOUBLE_EQ(gate.CostOfFetches(3), 6.0);
  EXPECT_DOUBLE_EQ(gate.CostOf({.transfers = 3, .within_node = 3}), 6.0);
  // A fetch has to earn 2 GPU-seconds: 18 tokens.
  EXPECT_NEAR(gate.price().tokens, 18.0, 1e-9);
}

TEST(BenefitGate, DisabledItAsksNoPrice) {
  Scenario scenario;
  scenario.settings.gate_disabled = true;
  EXPECT_EQ(scenario.Gate().price(), FetchPrice{});
}

TEST(BenefitGate, AMoveIsMadeOnlyWhereItIsWorthItsTransfers) {
  Scenario scenario;
  scenario.settings.intra_node_bytes_per_second = 1e12;
  TickPlan plan = scenario.Plan();
  EXPECT_EQ(plan.unchanged, UnchangedReason::kNone);
  EXPECT_EQ(plan.plan.fetches(), 2);
  EXPECT_GT(plan.gain_gpu_seconds, plan.cost_gpu_seconds);

  scenario.settings.intra_node_bytes_per_second = 1e6;
  plan = scenario.Plan();
  EXPECT_EQ(plan.unchanged, UnchangedReason::kGainBelowCost);
  EXPECT_EQ(plan.plan.fetches(), 0);
  EXPECT_EQ(plan.layer_reasons, std::vector<UnchangedReason>{UnchangedReason::kGainBelowCost});
}

TEST(BenefitGate, AFullPlanIsWeighedAsAWhole) {
  Scenario scenario;
  scenario.settings.budget = {};
  scenario.settings.intra_node_bytes_per_second = 1e12;
  EXPECT_EQ(scenario.Plan().unchanged, UnchangedReason::kNone);
  scenario.settings.intra_node_bytes_per_second = 1e6;
  EXPECT_EQ(scenario.Plan().unchanged, UnchangedReason::kGainBelowCost);
}

TEST(BenefitGate, LayersThatAreBalancedEnoughAreLeftAlone) {
  Scenario scenario;
  scenario.settings.gate_disabled = true;
  scenario.settings.min_balancedness = 0.5;
  EXPECT_EQ(scenario.Plan().unchanged, UnchangedReason::kBalancedEnough);
}

}  // namespace
}  // namespace eplb
