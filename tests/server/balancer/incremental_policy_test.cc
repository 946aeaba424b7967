#include "server/balancer/incremental_policy.h"

#include <cmath>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/balancer.h"
#include "server/model/contiguous_placement.h"
#include "tests/support/random_problem.h"

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

TEST(IncrementalPolicy, WhereAFullPlanKeepsTheGroupsAnIncrementalOneDoesNotFail) {
  testing::RandomProblems random(51);
  int compared = 0;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    const int groups = random.Int(2, 6);
    const int experts = groups * random.Int(1, 6);
    TopologyOptions options{.num_gpus = random.Int(3, 8), .num_groups = groups};
    options.num_nodes = random.Int(2, options.num_gpus);
    options.num_slots = options.num_gpus * random.Int(2, 6);
    if (options.num_slots < experts) continue;
    const std::vector<LoadSample> samples = {{.loads = random.Loads(2, experts)}};
    RebalanceProblem problem{.samples = samples, .constraints = {.honour_groups = true}};
    const Topology whole = Topology::Create(options).value();
    problem.topology = &whole;
    const absl::StatusOr<RebalancePlan> before = PlanRebalance(problem, {}, SerialFor());
    if (!before.ok()) continue;
    options.excluded_gpus = {random.Int(0, options.num_gpus - 1)};
    const Topology damaged = Topology::Create(options).value();
    problem.topology = &damaged;
    problem.current = &before->placement;
    if (!PlanRebalance(problem, {}, SerialFor()).ok()) continue;
    const absl::StatusOr<RebalancePlan> plan = PlanRebalance(problem, {.budget = {.per_layer = 3}}, SerialFor());
    ASSERT_TRUE(plan.ok()) << plan.status();
    for (const LayerReport& layer : plan->layers) EXPECT_LE(layer.lower_bound, layer.after.max * (1 + 1e-9));
    ++compared;
  }
  EXPECT_GT(compared, 60);
}

// A fleet so large that the moves of a layer are bounded by work, not by gain.
TEST(IncrementalPolicy, WithoutALimitTheWorkIsBoundedAndAFullPlanTakenWhereItIsBetter) {
  testing::RandomProblems random(52);
  constexpr int kExperts = 2048;
  const Topology topology = Topology::Create({.num_gpus = 1024, .num_slots = 3072}).value();
  std::vector<double> loads;
  for (int expert = 0; expert < kExperts; ++expert) loads.push_back(std::floor(1000 * std::exp(2 * random.Unit())));
  const std::vector<LoadSample> samples = {{.loads = LoadMatrix::Create(1, kExperts, loads).value()}};
  const Placement current = ContiguousPlacement(1, kExperts, topology).value();
  const RebalanceProblem problem{.topology = &topology, .samples = samples, .current = &current};
  const RebalancePlan bounded = PlanRebalance(problem, {.budget = {.per_layer = 2000}}, SerialFor()).value();
  EXPECT_LE(bounded.fetches(), 2000);
  const RebalancePlan full = PlanRebalance(problem, {}, SerialFor()).value();
  const RebalancePlan unlimited = PlanRebalance(problem, {.budget = {.per_layer = 3072}}, SerialFor()).value();
  EXPECT_LE(unlimited.step_time_after(), full.step_time_after() * (1 + 1e-9));
  // At a price for each fetch that the full plan's gain does not meet, few moves are made.
  RebalanceOptions dear{.budget = {.per_layer = 3072}};
  dear.fetch_price.tokens = 2 * (full.layers[0].before.max - full.layers[0].after.max) / full.fetches();
  EXPECT_LT(PlanRebalance(problem, dear, SerialFor())->fetches(), full.fetches() / 2);
}

}  // namespace
}  // namespace eplb
