#include "server/planner/adaptive_tick_planner.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/base/stoppable_for.h"
#include "server/model/contiguous_placement.h"

namespace eplb {
namespace {

class AdaptiveTickPlannerTest : public ::testing::Test {
 protected:
  AdaptiveTickPlannerTest() {
    input_.topology = &topology_;
    input_.history = history_;
    input_.sub_window = absl::Seconds(5);
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

}  // namespace
}  // namespace eplb
