#include "server/planner/adaptive_tick_planner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "server/base/parallel_for.h"
#include "server/base/stoppable_for.h"
#include "server/model/contiguous_placement.h"
#include "tests/server/planner/generated_series.h"

namespace eplb {
namespace {

class AdaptiveTickPlannerTest : public ::testing::Test {
 protected:
  AdaptiveTickPlannerTest() {
    input_.topology = &topology_;
    input_.history = history_;
    input_.current = &current_;
  }

  const Topology topology_ = Topology::Create({.num_gpus = 2, .num_slots = 6}).value();
  const Placement current_ = ContiguousPlacement(3, 4, topology_).value();
  const std::vector<LoadMatrix> history_ = {LoadMatrix::Create(3, 4, {9, 1, 1, 1, 8, 1, 1, 1, 1, 7, 2, 3}).value()};
  TickInput input_;
  const SerialFor serial_;
};

TEST_F(AdaptiveTickPlannerTest, IsGivenUpBetweenLayersWhereItsInputSaysSo) {
  const AdaptiveTickPlanner planner(serial_);
  ASSERT_TRUE(planner.Plan(input_).ok());
  int asked = 0;
  input_.stop = [&asked] { return ++asked == 2; };
  EXPECT_EQ(planner.Plan(input_).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 2);
  input_.stop = [] { return false; };
  EXPECT_TRUE(planner.Plan(input_).ok());
}

TEST_F(AdaptiveTickPlannerTest, IsGivenUpWhereTheWholeServerStops) {
  const StoppableFor stopping(serial_, [] { return true; });
  EXPECT_EQ(AdaptiveTickPlanner(stopping).Plan(input_).status().code(), absl::StatusCode::kCancelled);
}

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
