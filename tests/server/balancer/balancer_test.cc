#include "server/balancer/balancer.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/lower_bound.h"
#include "server/base/field_errors.h"
#include "server/model/contiguous_placement.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

LoadMatrix Loads(int layers, int experts, std::vector<double> values) {
  return LoadMatrix::Create(layers, experts, std::move(values)).value();
}

std::vector<std::string> BrokenFields(const RebalanceProblem& problem, const RebalanceOptions& options) {
  std::vector<std::string> fields;
  for (const FieldError& error : FieldErrorsOf(PlanRebalance(problem, options, SerialFor()).status())) {
    fields.push_back(error.field);
  }
  return fields;
}

class PlanRebalanceTest : public ::testing::Test {
 protected:
  const Topology topology_ = Topology::Create({.num_gpus = 2, .num_slots = 4}).value();
  const LoadSample sample_{.loads = Loads(1, 3, {60, 10, 20})};
  const RebalanceProblem problem_{.topology = &topology_, .samples = {&sample_, 1}};
};

TEST_F(PlanRebalanceTest, ReportsBeforeAndAfterOfTheContiguousLayout) {
  const RebalancePlan plan = PlanRebalance(problem_, {.policy = Policy::kGlobal}, SerialFor()).value();
  ASSERT_EQ(plan.layers.size(), 1U);
  EXPECT_EQ(plan.policy, Policy::kGlobal);
  EXPECT_EQ(plan.layers[0].before, (LayerBalance{.mean = 45, .max = 50}));  // 0 1 | 2 0
  EXPECT_EQ(plan.layers[0].after, (LayerBalance{.mean = 45, .max = 50}));
  EXPECT_NEAR(plan.layers[0].lower_bound, 50, 1e-3);  // the 30s need company below 20, of which there is one
  EXPECT_EQ(plan.fetches(), 0);
}

TEST_F(PlanRebalanceTest, CountsFetchesFromTheCurrentPlacement) {
  const Placement current = Placement::Create(1, 3, 4, {1, 2, 0, 0}).value();
  RebalanceProblem problem = problem_;
  problem.current = &current;
  const RebalancePlan plan = PlanRebalance(problem, {.policy = Policy::kGlobal}, SerialFor()).value();
  EXPECT_EQ(plan.layers[0].before, (LayerBalance{.mean = 45, .max = 60}));
  EXPECT_EQ(plan.twins(), 0);
  EXPECT_EQ(plan.fetches(), 2);  // GPU 0 fetches expert 0, GPU 1 one of the light ones
}

TEST_F(PlanRebalanceTest, BoundsThatNobodyAskedForAreProvenOnlyWhereNothingChanges) {
  const Placement current = Placement::Create(1, 3, 4, {1, 2, 0, 0}).value();
  RebalanceProblem problem = problem_;
  problem.current = &current;
  const RebalanceOptions always{.budget = {.per_layer = 2}};
  const RebalanceOptions sparing{.budget = {.per_layer = 2}, .always_bound = false};
  const RebalancePlan changed = PlanRebalance(problem, sparing, SerialFor()).value();
  EXPECT_EQ(changed.placement, PlanRebalance(problem, always, SerialFor())->placement);
  EXPECT_NE(changed.placement, current);
  EXPECT_EQ(changed.layers[0].lower_bound, 0);
  problem.current = &changed.placement;
  const RebalancePlan unchanged = PlanRebalance(problem, sparing, SerialFor()).value();
  EXPECT_EQ(unchanged.placement, changed.placement);
  EXPECT_NEAR(unchanged.layers[0].lower_bound, 50, 1e-3);
}

TEST_F(PlanRebalanceTest, PlansForTheWeightedMeanOfSamples) {
  const std::vector<LoadSample> samples = {{.loads = Loads(1, 3, {60, 10, 20}), .weight = 3},
                                           {.loads = Loads(1, 3, {20, 50, 20}), .weight = 1}};
  const LoadSample mean{.loads = Loads(1, 3, {50, 20, 20})};
  RebalanceProblem problem = problem_;
  problem.samples = samples;
  RebalanceProblem mean_problem = problem_;
  mean_problem.samples = {&mean, 1};
  EXPECT_EQ(PlanRebalance(problem, {.policy = Policy::kGlobal}, SerialFor())->placement,
            PlanRebalance(mean_problem, {.policy = Policy::kGlobal}, SerialFor())->placement);
}

TEST_F(PlanRebalanceTest, SaysWhichExpertsAreLostWhereTheFleetIsTooSmall) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4, .excluded_gpus = {1}}).value();
  const Placement current = Placement::Create(1, 3, 4, {0, 0, 1, 2}).value();
  RebalanceProblem problem = problem_;
  problem.topology = &topology;
  problem.current = &current;
  const absl::Status status = PlanRebalance(problem, {}, SerialFor()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("usable slots 2 < experts 3: 1 expert cannot be placed in any layer; layer 0 has lost every "
                        "replica of 2 experts: 1, 2"));
}

TEST_F(PlanRebalanceTest, BalancesOfSeveralSamplesAreWeightedMeans) {
  const std::vector<LoadSample> samples = {{.loads = Loads(1, 3, {60, 10, 20}), .weight = 3},
                                           {.loads = Loads(1, 3, {20, 50, 20}), .weight = 1}};
  RebalanceProblem problem = problem_;
  problem.samples = samples;
  const RebalancePlan plan = PlanRebalance(problem, {}, SerialFor()).value();
  LayerBalance mean;
  double bound = 0;
  BalanceMeter meter(topology_);
  for (const LoadSample& sample : samples) {
    const LayerBalance balance = meter.Measure(plan.placement.layer(0), sample.loads.layer(0));
    mean.mean += sample.weight / 4 * balance.mean;
    mean.max += sample.weight / 4 * balance.max;
    bound += sample.weight / 4 * LayerLowerBound(sample.loads.layer(0), 4, topology_);
  }
  EXPECT_EQ(plan.layers[0].after, mean);
  EXPECT_NEAR(plan.layers[0].lower_bound, bound, 1e-3);
  EXPECT_LE(plan.layers[0].lower_bound, plan.layers[0].after.max);
}

// One node holds all of group 0 and so 90 of 100 tokens: 45 on one of its GPUs.
TEST_F(PlanRebalanceTest, BoundsKnowThatTheHierarchicalPolicyKeepsGroups) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_nodes = 2, .num_groups = 2, .num_slots = 8}).value();
  const LoadSample sample{.loads = Loads(1, 4, {50, 40, 6, 4})};
  const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
  const RebalancePlan hierarchical = PlanRebalance(problem, {.policy = Policy::kHierarchical}, SerialFor()).value();
  EXPECT_NEAR(hierarchical.layers[0].lower_bound, 45, 1e-3);
  EXPECT_LE(hierarchical.layers[0].lower_bound, hierarchical.layers[0].after.max);
  const RebalancePlan global = PlanRebalance(problem, {.policy = Policy::kGlobal}, SerialFor()).value();
  EXPECT_LT(global.layers[0].lower_bound, 30);
}

TEST_F(PlanRebalanceTest, BoundsKnowTheSlotBudget) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 8}).value();
  const LoadSample sample{.loads = Loads(1, 4, {80, 10, 10, 10})};
  RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
  EXPECT_LT(PlanRebalance(problem, {}, SerialFor())->layers[0].lower_bound, 40);
  problem.constraints.slot_budget_per_layer = {5};
  const RebalancePlan plan = PlanRebalance(problem, {}, SerialFor()).value();
  EXPECT_NEAR(plan.layers[0].lower_bound, 40, 1e-3);  // two replicas of the heaviest at most
  EXPECT_DOUBLE_EQ(plan.layers[0].after.max, 40);
}

TEST_F(PlanRebalanceTest, BoundsKnowTheLeastReplicas) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 8}).value();
  const LoadSample sample{.loads = Loads(1, 4, {80, 10, 10, 10})};
  const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}, .constraints = {.min_replicas = 2}};
  EXPECT_GE(PlanRebalance(problem, {}, SerialFor())->layers[0].lower_bound, 40);
}

TEST_F(PlanRebalanceTest, RefusesSamplesThatDoNotFit) {
  RebalanceProblem problem = problem_;
  problem.samples = {};
  EXPECT_THAT(BrokenFields(problem, {}), ElementsAre("samples"));
  const std::vector<LoadSample> ragged = {{.loads = Loads(1, 3, {1, 2, 3})},
                                          {.loads = Loads(1, 2, {1, 2}), .weight = 0},
                                          {.loads = Loads(1, 3, {1, 2, 3}), .weight = std::nan("")}};
  problem.samples = ragged;
  EXPECT_THAT(BrokenFields(problem, {}), ElementsAre("samples[1].weight", "samples[1].loads", "samples[2].weight"));
  // Their sum is infinite, and each one's part of it 0.
  const std::vector<LoadSample> heavy(2, {.loads = Loads(1, 3, {1, 2, 3}), .weight = 1.7e308});
  problem.samples = heavy;
  EXPECT_THAT(BrokenFields(problem, {}), ElementsAre("samples[0].weight", "samples[1].weight"));
}

TEST_F(PlanRebalanceTest, TheHeaviestWeightsStillPlan) {
  const std::vector<LoadSample> heavy(2, {.loads = Loads(1, 3, {60, 10, 20}), .weight = kMaxSampleWeight});
  RebalanceProblem problem = problem_;
  problem.samples = heavy;
  EXPECT_EQ(PlanRebalance(problem, {}, SerialFor())->placement, PlanRebalance(problem_, {}, SerialFor())->placement);
}

TEST_F(PlanRebalanceTest, RefusesACurrentPlacementOfAnotherShape) {
  const Placement current = Placement::Create(2, 4, 5, {0, 1, 2, 3, 0, 0, 1, 2, 3, 0}).value();
  RebalanceProblem problem = problem_;
  problem.current = &current;
  EXPECT_THAT(BrokenFields(problem, {}), ElementsAre("current", "current", "current"));
}

TEST_F(PlanRebalanceTest, RefusesBudgetsThatMeanNothing) {
  EXPECT_THAT(BrokenFields(problem_, {.budget = {.per_layer = 1}}), ElementsAre("budget"));
  const Placement current = ContiguousPlacement(1, 3, topology_).value();
  RebalanceProblem problem = problem_;
  problem.current = &current;
  EXPECT_THAT(BrokenFields(problem, {.work_limit = -1, .budget = {.per_layer = -1, .total = -2, .bytes = 5}}),
              ElementsAre("budget.per_layer", "budget.total", "work_limit", "bytes_per_expert"));
}

TEST_F(PlanRebalanceTest, RefusesFewerSlotsThanExperts) {
  const LoadSample sample{.loads = Loads(1, 5, {1, 2, 3, 4, 5})};
  RebalanceProblem problem = problem_;
  problem.samples = {&sample, 1};
  EXPECT_THAT(BrokenFields(problem, {.policy = Policy::kGlobal}), Contains("topology.num_slots"));
}

TEST_F(PlanRebalanceTest, ReferencePoliciesRefuseUnevenFleets) {
  const Topology uneven = Topology::Create({.num_gpus = 2, .num_slots = 5}).value();
  RebalanceProblem problem = problem_;
  problem.topology = &uneven;
  EXPECT_THAT(BrokenFields(problem, {.policy = Policy::kGlobal}), ElementsAre("topology"));
}

TEST_F(PlanRebalanceTest, HierarchicalNeedsNodesThatDivideGroups) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_nodes = 2, .num_groups = 3, .num_slots = 4}).value();
  RebalanceProblem problem = problem_;
  problem.topology = &topology;
  EXPECT_THAT(BrokenFields(problem, {.policy = Policy::kHierarchical}), ElementsAre("topology.num_groups"));
}

TEST(Policy, NamesRoundTrip) {
  for (const Policy policy : {Policy::kAuto, Policy::kHierarchical, Policy::kGlobal, Policy::kOptimized}) {
    EXPECT_EQ(PolicyFromName(PolicyName(policy)), policy);
  }
  EXPECT_EQ(PolicyFromName("greedy"), std::nullopt);
}

}  // namespace
}  // namespace eplb
