#include "server/balancer/incremental_policy.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/balancer.h"

namespace eplb {
namespace {

TEST(TotalFetches, TheTighterBudgetHolds) {
  EXPECT_EQ(TotalFetches({}, 100), std::nullopt);
  EXPECT_EQ(TotalFetches({.total = 7}, 0), 7);
  EXPECT_EQ(TotalFetches({.bytes = 399}, 100), 3);
  EXPECT_EQ(TotalFetches({.total = 2, .bytes = 399}, 100), 2);
  EXPECT_EQ(TotalFetches({.total = 9, .bytes = 399}, 100), 3);
}

// Two GPUs whose loads are 90 and 30 in every layer; one exchange makes them 60 each.
struct Uneven {
  Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4}).value();
  std::vector<LoadSample> samples = {{.loads = LoadMatrix::Create(2, 4, {50, 40, 10, 20, 50, 40, 10, 20}).value()}};
  Placement current = Placement::Create(2, 4, 4, {0, 1, 2, 3, 0, 1, 2, 3}).value();

  RebalancePlan Plan(const RebalanceOptions& options) const {
    return PlanRebalance({.topology = &topology, .samples = samples, .current = &current}, options, SerialFor())
        .value();
  }
};

TEST(IncrementalPolicy, ABudgetAsksForAPlanFromTheCurrentPlacement) {
  const RebalancePlan plan = Uneven().Plan({.budget = {.per_layer = 2}});
  EXPECT_EQ(plan.policy, Policy::kOptimized);
  EXPECT_EQ(plan.fetches(), 4);
  EXPECT_EQ(plan.step_time_after(), 1.0);
}

TEST(IncrementalPolicy, ALayerThatGotNothingOfTheBudgetSaysSo) {
  const RebalancePlan plan = Uneven().Plan({.budget = {.total = 2}});
  EXPECT_EQ(plan.layers[0].reason, NoChangeReason::kChanged);
  EXPECT_EQ(plan.layers[1].reason, NoChangeReason::kBudgetExhausted);
}

TEST(IncrementalPolicy, ABudgetInBytesCountsWholeExperts) {
  EXPECT_EQ(Uneven().Plan({.budget = {.bytes = 299}, .bytes_per_expert = 100}).fetches(), 2);
  EXPECT_EQ(Uneven().Plan({.budget = {.bytes = 199}, .bytes_per_expert = 100}).fetches(), 0);
}

}  // namespace
}  // namespace eplb
