#include "server/planner/fetch_pacer.h"

#include "gtest/gtest.h"

namespace eplb {
namespace {

// A plan of one layer of mean load 100 that gains `tokens`.
RebalancePlan Gaining(double tokens) {
  LayerReport layer;
  layer.after = {.mean = 100, .max = 100};
  layer.gain = tokens;
  return {.placement = Placement::Create(1, 1, 1, {0}).value(), .policy = Policy::kOptimized, .layers = {layer}};
}

TEST(FetchPacer, EachPlanHasAnEqualPartOfWhatIsLeft) {
  FetchPacer pacer(16);
  FetchAllowance allowance = pacer.Next(4);
  EXPECT_EQ(allowance.usual, 4);
  EXPECT_EQ(allowance.most, 16);
  pacer.Note(Gaining(1), 1);
  EXPECT_EQ(pacer.Next(3).usual, 5);
  allowance = pacer.Next(1);
  EXPECT_EQ(allowance.usual, 15);
  EXPECT_EQ(allowance.most, 15);
  pacer.StartWindow();
  EXPECT_EQ(pacer.Next(4).usual, 4) << "what a window leaves is not kept";
}

TEST(FetchPacer, MoreThanThatMustGainMoreThanFetchesHaveLately) {
  FetchPacer pacer(16);
  EXPECT_GT(pacer.Next(4).extra_gain, 1e9) << "not known yet";
  pacer.Note(Gaining(8), 4);
  EXPECT_DOUBLE_EQ(pacer.Next(3).extra_gain, 0.02);
  pacer.Note(Gaining(16), 4);
  EXPECT_NEAR(pacer.Next(2).extra_gain, 0.022, 1e-12) << "newer plans count a tenth";
}

TEST(FetchPacer, WhereFetchesAreLeftOverMoreNeedsToGainLittle) {
  FetchPacer pacer(1000);
  pacer.Next(10);
  pacer.Note(Gaining(200), 100);
  for (int plan = 0; plan < 60; ++plan) {
    pacer.Next(10);
    pacer.Note(Gaining(1), 1);
  }
  EXPECT_LT(pacer.Next(10).extra_gain, 1e-4);
}

TEST(FetchPacer, NothingIsLeftOfNothing) {
  FetchPacer pacer(0);
  EXPECT_EQ(pacer.Next(1).most, 0);
  EXPECT_EQ(pacer.Next(1).usual, 0);
}

}  // namespace
}  // namespace eplb
