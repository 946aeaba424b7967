#include "server/planner/adaptive_tick_planner.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/parallel_for.h"
#include "tests/server/planner/generated_series.h"

namespace eplb {
namespace {

// Expert 0 is on both GPUs; evenly shared they carry 110 and 70, at best 90 each. No move may be made.
struct SharedExpert {
  Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4}).value();
  Placement placement = Placement::Create(1, 3, 4, {0, 1, 0, 2}).value();
  std::vector<LoadMatrix> history = std::vector<LoadMatrix>(8, LoadMatrix::Create(1, 3, {100, 60, 20}).value());
  PlanSettings settings = {.budget = {.per_layer = 0}, .traffic_shares = true};

  TickPlan Plan(std::span<const double> shares) const {
    const SerialFor serial;
    return AdaptiveTickPlanner(serial)
        .Plan({.topology = &topology,
               .history = history,
               .current = &placement,
               .current_shares = shares,
               .settings = settings})
        .value();
  }
};

TEST(AdaptiveTickPlanner, StaleSharesAreRenewedWithoutAMove) {
  const SharedExpert scenario;
  for (const std::vector<double>& stale : {std::vector<double>{}, std::vector<double>{0.9, 1, 0.1, 1}}) {
    const TickPlan tick = scenario.Plan(stale);
    EXPECT_EQ(tick.unchanged, UnchangedReason::kNone);
    EXPECT_TRUE(tick.only_shares);
    EXPECT_EQ(tick.plan.placement, scenario.placement);
    ASSERT_NE(tick.slot_shares, nullptr);
    EXPECT_NEAR((*tick.slot_shares)[0], 0.3, 1e-3);
    EXPECT_GT(tick.gain_gpu_seconds, 0.0);
    EXPECT_EQ(tick.cost_gpu_seconds, 0.0);
    EXPECT_NEAR(tick.predicted_step_time, 1.0, 1e-3);
  }
}

TEST(AdaptiveTickPlanner, WhatIsBeforeIsWithTheSharesInForce) {
  EXPECT_NEAR(SharedExpert().Plan(std::vector<double>{0.9, 1, 0.1, 1}).plan.layers[0].before.max, 150, 0.1);
}

TEST(AdaptiveTickPlanner, SharesThatAreNearlyRightAreLeftAlone) {
  const SharedExpert scenario;
  const TickPlan tick = scenario.Plan(std::vector<double>{0.303, 1, 0.697, 1});
  EXPECT_FALSE(tick.only_shares);
  EXPECT_NE(tick.unchanged, UnchangedReason::kNone);
  EXPECT_GT(tick.predicted_step_time, 1.001) << "with the shares that stay in force";
}

TEST(AdaptiveTickPlanner, SharesThatAreNoLongerWantedMakeWayForEvenOnes) {
  SharedExpert scenario;
  scenario.settings.traffic_shares = false;
  const TickPlan tick = scenario.Plan(std::vector<double>{0.9, 1, 0.1, 1});
  EXPECT_TRUE(tick.only_shares);
  EXPECT_EQ(tick.slot_shares, nullptr);
}

TEST(AdaptiveTickPlanner, TheLargestLoadsThatAnEdgeAdmitsArePlannedFor) {
  const std::vector<LoadMatrix> history = testing::GeneratedSeries::Alternating(32, 2, 16, 0x1p36);
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 20}).value();
  std::vector<std::int32_t> slots;
  for (int slot = 0; slot < 40; ++slot) slots.push_back(slot % 20 % 16);
  const Placement current = Placement::Create(2, 16, 20, slots).value();
  const SerialFor serial;
  const absl::StatusOr<TickPlan> tick =
      AdaptiveTickPlanner(serial).Plan({.topology = &topology, .history = history, .current = &current});
  ASSERT_TRUE(tick.ok()) << tick.status();
  EXPECT_TRUE(std::isfinite(tick->predicted_step_time));
}

}  // namespace
}  // namespace eplb
