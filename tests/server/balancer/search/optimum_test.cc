// The search and the bound against the optimum of small cases.

#include "tests/server/balancer/search/optimum.h"

#include <cmath>

#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/balancer.h"
#include "server/balancer/lower_bound.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/balancer/search/layer_search.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

using testing::Optimum;

struct SmallCase {
  const char* name;
  int experts;
  int gpus;
  int slots_per_gpu;
  double sigma;  // of the loads' logarithm
};

void PrintTo(const SmallCase& small, std::ostream* out) { *out << small.name; }

std::vector<double> LognormalLoads(int experts, double sigma, testing::RandomProblems* random) {
  std::vector<double> loads(static_cast<std::size_t>(experts));
  for (double& load : loads) {
    const double radius = std::sqrt(-2 * std::log(1 - random->Unit()));
    load = std::floor(1000 * std::exp(sigma * radius * std::cos(6.283185307179586 * random->Unit())));
  }
  return loads;
}

double MaxOfPlan(const Topology& topology, std::span<const double> loads) {
  const PlacementConstraints constraints;
  LayerSearch search(
      {.topology = &topology, .constraints = &constraints, .num_experts = static_cast<int>(loads.size())});
  const SampleLoads sample{.loads = loads};
  return BalanceMeter(topology).Measure(search.Run({&sample, 1}, topology.num_usable_slots()), loads).max;
}

class SearchAgainstOptimum : public ::testing::TestWithParam<SmallCase> {};

TEST_P(SearchAgainstOptimum, IsWithinOnePercentOnAverage) {
  const SmallCase& small = GetParam();
  testing::RandomProblems random(21);
  const Topology topology =
      Topology::Create({.num_gpus = small.gpus, .num_slots = small.gpus * small.slots_per_gpu}).value();
  constexpr int kRounds = 40;
  double sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<double> loads = LognormalLoads(small.experts, small.sigma, &random);
    Optimum::Problem problem{.loads = loads,
                             .slots_on = std::vector<int>(Index(small.gpus), small.slots_per_gpu),
                             .speed = std::vector<double>(Index(small.gpus), 1.0)};
    const double optimum = Optimum(problem).Find();
    problem.allow_twins = true;
    const double with_twins = Optimum(problem).Find();
    const double excess = MaxOfPlan(topology, loads) / optimum - 1;
    EXPECT_GE(excess, -1e-9);
    EXPECT_LE(excess, 0.025) << "round " << round;
    EXPECT_LE(LayerLowerBound(loads, topology.num_slots(), topology), with_twins * (1 + 1e-9)) << "round " << round;
    sum += excess;
  }
  EXPECT_LE(sum / kRounds, 0.01);
  RecordProperty("mean_excess_ppm", static_cast<int>(sum / kRounds * 1e6));
}

INSTANTIATE_TEST_SUITE_P(Shapes, SearchAgainstOptimum,
                         ::testing::Values(SmallCase{"pairs", 5, 4, 2, 1.0}, SmallCase{"many_replicas", 4, 5, 2, 1.0},
                                           SmallCase{"triples", 7, 3, 3, 1.0}, SmallCase{"fours", 9, 3, 4, 1.0},
                                           SmallCase{"no_spare", 8, 4, 2, 1.0}, SmallCase{"very_skewed", 6, 4, 2, 2.0},
                                           SmallCase{"nearly_even", 8, 3, 3, 0.2}, SmallCase{"single", 4, 6, 1, 1.0}),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(SearchOnUnevenFleets, IsWithinOnePercentOfTheOptimumOnAverage) {
  testing::RandomProblems random(22);
  double sum = 0;
  int rounds = 0;
  while (rounds < 60) {
    const int experts = random.Int(3, 7);
    const int gpus = random.Int(2, 4);
    Optimum::Problem problem{.loads = LognormalLoads(experts, 1.0, &random), .slots_on = {}, .speed = {}};
    int slots = 0;
    for (int gpu = 0; gpu < gpus; ++gpu) {
      problem.slots_on.push_back(random.Int(1, std::min(experts, 4)));
      problem.speed.push_back(random.Int(1, 3));
      slots += problem.slots_on.back();
    }
    if (slots < experts || slots > 10) continue;
    ++rounds;
    const Topology topology =
        Topology::Create(
            {.num_gpus = gpus, .num_slots = slots, .slots_per_gpu = problem.slots_on, .gpu_speed = problem.speed})
            .value();
    const double optimum = Optimum(problem).Find();
    const double excess = MaxOfPlan(topology, problem.loads) / optimum - 1;
    EXPECT_GE(excess, -1e-9);
    sum += excess;
    problem.allow_twins = true;
    EXPECT_LE(LayerLowerBound(problem.loads, slots, topology), Optimum(problem).Find() * (1 + 1e-9));
  }
  EXPECT_LE(sum / rounds, 0.01);
  RecordProperty("mean_excess_ppm", static_cast<int>(sum / rounds * 1e6));
}

// One layer under rules: the plan against all placements that keep them, the bound also against those that leave slots
// empty, which the search does only where it must.
class RulesAgainstOptimum : public ::testing::Test {
 protected:
  void Compare(const PlacementConstraints& constraints, int num_groups, std::uint64_t seed) {
    testing::RandomProblems random(seed);
    int rounds = 0;
    int tight = 0;
    double sum = 0;
    while (rounds < 25) {
      const int experts = num_groups > 1 ? 2 * num_groups : random.Int(3, 4);
      const Topology topology = Topology::Create({.num_gpus = 4,
                                                  .num_nodes = 2,
                                                  .num_groups = num_groups,
                                                  .num_slots = 4 * random.Int(2, 2),
                                                  .gpu_speed = {1.0, 1.0 + random.Int(0, 1), 1.0, 1.0}})
                                    .value();
      PlacementConstraints rules = constraints;
      const std::vector<LoadSample> samples = {
          {.loads = LoadMatrix::Create(1, experts, LognormalLoads(experts, 1.0, &random)).value()}};
      if (!rules.slot_budget_per_layer.empty()) rules.slot_budget_per_layer = {random.Int(experts, 7)};
      const absl::StatusOr<RebalancePlan> plan =
          PlanRebalance({.topology = &topology, .samples = samples, .constraints = rules},
                        {.policy = Policy::kOptimized}, SerialFor());
      ASSERT_TRUE(plan.ok()) << plan.status();
      const auto loads = samples[0].loads.layer(0);
      Optimum::Problem problem{.loads = {loads.begin(), loads.end()},
                               .slots_on = std::vector<int>(4, topology.slots_on(0)),
                               .speed = {topology.speed(0), topology.speed(1), 1.0, 1.0},
                               .node_of_gpu = {0, 0, 1, 1},
                               .min_replicas = rules.min_replicas,
                               .min_nodes = rules.min_nodes_per_expert,
                               .num_groups = rules.honour_groups ? num_groups : 0};
      if (!rules.slot_budget_per_layer.empty()) problem.slot_budget = rules.slot_budget_per_layer[0];
      const double filled_optimum = Optimum(problem).Find();
      problem.may_leave_empty = true;
      const double optimum = Optimum(problem).Find();
      const LayerReport& report = plan->layers[0];
      EXPECT_GT(report.lower_bound, 0);
      EXPECT_LE(report.lower_bound, optimum * (1 + 1e-9)) << rounds;
      EXPECT_GE(report.after.max, optimum * (1 - 1e-9)) << rounds;
      tight += report.lower_bound >= 0.8 * optimum;
      sum += report.after.max / filled_optimum - 1;
      ++rounds;
    }
    EXPECT_GT(tight, 10);
    EXPECT_LE(sum / rounds, 0.01);
    RecordProperty("mean_excess_ppm", static_cast<int>(sum / rounds * 1e6));
  }
};

TEST_F(RulesAgainstOptimum, TwoReplicasOfEach) { Compare({.min_replicas = 2}, 1, 31); }
TEST_F(RulesAgainstOptimum, TwoNodesForEach) { Compare({.min_nodes_per_expert = 2}, 1, 32); }
TEST_F(RulesAgainstOptimum, GroupsOnTheirNodes) { Compare({.honour_groups = true}, 2, 33); }
TEST_F(RulesAgainstOptimum, GroupsOfTwoOnTheirNodes) { Compare({.honour_groups = true}, 3, 34); }
TEST_F(RulesAgainstOptimum, GroupsThatFillTheirNodes) { Compare({.honour_groups = true}, 4, 36); }
TEST_F(RulesAgainstOptimum, SlotBudgets) { Compare({.slot_budget_per_layer = {0}}, 1, 35); }

struct TwinCase {
  const char* name;
  std::vector<double> loads;
};

void PrintTo(const TwinCase& twins, std::ostream* out) { *out << twins.name; }

class WhereTwinsHelp : public ::testing::TestWithParam<TwinCase> {};

// Layers on which the published greedy policy is the more balanced, because it puts two of an expert's replicas on one
// GPU: no layout without twins is as balanced, as trying them all shows, and the search finds the best of these.
TEST_P(WhereTwinsHelp, TheSearchFindsTheOptimumWithoutThem) {
  const std::vector<double>& loads = GetParam().loads;
  const Topology topology = Topology::Create({.num_gpus = 8, .num_slots = 16}).value();
  ReferencePolicy reference(GlobalShape(8, topology));
  reference.Run(loads);
  const double with_twins = BalanceMeter(topology).Measure(reference.physical_to_logical(), loads).max;
  const double optimum =
      Optimum({.loads = loads, .slots_on = std::vector<int>(8, 2), .speed = std::vector<double>(8, 1.0)}).Find();
  EXPECT_GT(CountTwins(reference.physical_to_logical(), topology), 0);
  EXPECT_GT(optimum, with_twins);
  EXPECT_NEAR(MaxOfPlan(topology, loads), optimum, 1e-9 * optimum);
}

INSTANTIATE_TEST_SUITE_P(Layers, WhereTwinsHelp,
                         ::testing::Values(TwinCase{"by_a_hundredth", {362, 855, 356, 2095, 1590, 1783, 718, 1098}},
                                           TwinCase{"by_a_sixtieth", {1018, 301, 1096, 862, 451, 1393, 833, 509}},
                                           TwinCase{"one_hot_expert", {1672, 1754, 1348, 205, 718, 774, 807, 3604}},
                                           TwinCase{"two_twins", {551, 754, 5046, 2274, 4082, 2838, 2307, 1410}},
                                           TwinCase{"nearly_even", {921, 1213, 905, 513, 2274, 1141, 1184, 563}},
                                           TwinCase{"very_skewed", {1551, 20, 9902, 1702, 10752, 6654, 4941, 280}}),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// Two slots per GPU and two replicas per expert, where the policies are closest: whenever the reference is better, it
// has twins, and no layout without them is as good.
TEST(WhereTwinsHelp, OnlyThereIsTheReferenceBetter) {
  testing::RandomProblems random(23);
  const Topology topology = Topology::Create({.num_gpus = 8, .num_slots = 16}).value();
  ReferencePolicy reference(GlobalShape(8, topology));
  for (int round = 0; round < 400; ++round) {
    const std::vector<double> loads = LognormalLoads(8, 0.5, &random);
    reference.Run(loads);
    const double greedy = BalanceMeter(topology).Measure(reference.physical_to_logical(), loads).max;
    const double plan = MaxOfPlan(topology, loads);
    if (plan <= greedy * (1 + 1e-9)) continue;
    EXPECT_GT(CountTwins(reference.physical_to_logical(), topology), 0) << "round " << round;
    const Optimum::Problem problem{
        .loads = loads, .slots_on = std::vector<int>(8, 2), .speed = std::vector<double>(8, 1.0)};
    const double a_little_more = greedy * (1 + 1e-9);
    EXPECT_EQ(Optimum(problem).Find(a_little_more), a_little_more) << "round " << round;
  }
}

}  // namespace
}  // namespace eplb
