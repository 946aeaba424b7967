// The search and the bound against the optimum of small cases.

#include "tests/server/balancer/search/optimum.h"

#include <cmath>

#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/lower_bound.h"
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

TEST(SearchOnUnevenFleets, IsWithinTwoPercentOfTheOptimumOnAverage) {
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
  EXPECT_LE(sum / rounds, 0.02);
  RecordProperty("mean_excess_ppm", static_cast<int>(sum / rounds * 1e6));
}

}  // namespace
}  // namespace eplb
