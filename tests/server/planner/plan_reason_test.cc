#include "server/planner/plan_reason.h"

#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

LayerReport Layer(NoChangeReason reason, double max = 200, double lower_bound = 100) {
  return {.before = {.mean = 100, .max = max},
          .after = {.mean = 100, .max = max},
          .lower_bound = lower_bound,
          .reason = reason};
}

TEST(LayerUnchangedReason, TellsWhatHeldTheLayerBack) {
  const auto reason = [](const LayerReport& layer) { return LayerUnchangedReason(layer, 0); };
  EXPECT_EQ(reason(Layer(NoChangeReason::kChanged)), UnchangedReason::kNone);
  EXPECT_EQ(reason(Layer(NoChangeReason::kBudgetExhausted)), UnchangedReason::kBudget);
  EXPECT_EQ(reason(Layer(NoChangeReason::kGainBelowPrice)), UnchangedReason::kGainBelowCost);
  EXPECT_EQ(reason(Layer(NoChangeReason::kAlreadyBest)), UnchangedReason::kNoBetterPlacement);
  EXPECT_EQ(reason(Layer(NoChangeReason::kAlreadyBest, 100, 100)), UnchangedReason::kOptimal);
  EXPECT_EQ(reason(Layer(NoChangeReason::kAlreadyBest, 0, 0)), UnchangedReason::kNoLoad);
}

TEST(LayerUnchangedReason, AThresholdOfBalancednessComesFirst) {
  EXPECT_EQ(LayerUnchangedReason(Layer(NoChangeReason::kBudgetExhausted), 0.5), UnchangedReason::kBalancedEnough);
  EXPECT_EQ(LayerUnchangedReason(Layer(NoChangeReason::kBudgetExhausted), 0.51), UnchangedReason::kBudget);
  EXPECT_EQ(LayerUnchangedReason(Layer(NoChangeReason::kChanged), 0.5), UnchangedReason::kNone);
}

TEST(PlanUnchangedReason, IsTheOneThatMostCouldBeDoneAbout) {
  using enum UnchangedReason;
  EXPECT_EQ(PlanUnchangedReason(std::vector{kOptimal, kBudget, kGainBelowCost}), kGainBelowCost);
  EXPECT_EQ(PlanUnchangedReason(std::vector{kNoLoad, kOptimal, kBalancedEnough}), kBalancedEnough);
  EXPECT_EQ(PlanUnchangedReason(std::vector{kNoLoad}), kNoLoad);
}

}  // namespace
}  // namespace eplb
