#include "server/planner/rebalance_tick_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/model/contiguous_placement.h"
#include "server/planner/coalesced_transfers.h"

namespace eplb {
namespace {

const TopologyOptions kHardware{.num_gpus = 4, .num_slots = 12};

// Expert e of 8 has 10 x (e + 1) tokens in both layers.
std::vector<LoadMatrix> History() {
  std::vector<double> loads;
  for (int i = 0; i < 16; ++i) loads.push_back(10.0 * (i % 8 + 1));
  return {*LoadMatrix::Create(2, 8, loads)};
}

TickPlan PlanWith(const Topology& topology, const Placement& current, bool evacuates) {
  const SerialFor serial;
  const RebalanceTickPlanner planner(serial);
  const std::vector<LoadMatrix> history = History();
  TickInput input;
  input.topology = &topology;
  input.history = history;
  input.current = &current;
  input.force = input.evacuates = evacuates;
  absl::StatusOr<TickPlan> plan = planner.Plan(input);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

TEST(RebalanceTickPlannerTest, PublishesWhatIsBetterAndThenComesToRest) {
  const Topology topology = *Topology::Create(kHardware);
  Placement current = *ContiguousPlacement(2, 8, topology);
  bool published = false;
  for (int tick = 0; tick < 10; ++tick) {
    const TickPlan plan = PlanWith(topology, current, false);
    EXPECT_LE(plan.plan.step_time_after(), plan.plan.step_time_before());
    if (plan.unchanged != UnchangedReason::kNone) {
      EXPECT_TRUE(published);
      return;
    }
    published = true;
    current = plan.plan.placement;
  }
  FAIL() << "the same loads for ever, and still something to move";
}

TEST(RebalanceTickPlannerTest, ADeadGpuIsPlannedAround) {
  TopologyOptions options = kHardware;
  const Placement current = *ContiguousPlacement(2, 8, *Topology::Create(options));
  options.excluded_gpus = {1};
  const Topology topology = *Topology::Create(options);
  const TickPlan plan = PlanWith(topology, current, true);
  EXPECT_EQ(plan.unchanged, UnchangedReason::kNone);
  EXPECT_THAT(plan.plan.placement.layer(0).subspan(3, 3), ::testing::Each(kEmptySlot));
}

TEST(CoalescedTransfersTest, LeadPastWhatWasMissedAndNotOutOfAnEmptiedGpu) {
  const Topology topology = *Topology::Create(kHardware);
  const Placement from = *ContiguousPlacement(2, 8, topology);
  TopologyOptions options = kHardware;
  options.excluded_gpus = {1};
  const TickPlan plan = PlanWith(*Topology::Create(options), from, true);
  const auto transfers = CoalescedTransfers(from, plan.plan.placement, kHardware, 1);
  ASSERT_NE(transfers, nullptr);
  EXPECT_FALSE(transfers->empty());
  for (const Transfer& transfer : *transfers) EXPECT_NE(topology.gpu_of_slot(transfer.target_slot), 1);
}

TEST(CoalescedTransfersTest, ThereIsNoWayBetweenOtherShapes) {
  const Placement from = *ContiguousPlacement(2, 8, *Topology::Create(kHardware));
  const Placement to = *ContiguousPlacement(1, 8, *Topology::Create(kHardware));
  EXPECT_EQ(CoalescedTransfers(from, to, kHardware, 1), nullptr);
}

}  // namespace
}  // namespace eplb
