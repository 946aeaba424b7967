#include "client/simulator/drifting_loads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "server/balancer/balance_metrics.h"
#include "server/model/contiguous_placement.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::Le;
using ::testing::Lt;
using ::testing::Not;

constexpr std::size_t kExperts = 256;

double ContiguousStepTime(std::span<const double> rates) {
  const Topology topology = *Topology::Create({.num_gpus = 32, .num_slots = 288});
  const Placement contiguous = *ContiguousPlacement(58, kExperts, topology);
  BalanceMeter meter(topology);
  std::vector<LayerBalance> layers;
  for (int layer = 0; layer < 58; ++layer) {
    layers.push_back(
        meter.Measure(contiguous.layer(layer), rates.subspan(static_cast<std::size_t>(layer) * kExperts, kExperts)));
  }
  return StepTime(layers);
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double sum_a = 0;
  double sum_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum_a += a[i];
    sum_b += b[i];
  }
  const double n = static_cast<double>(a.size());
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - sum_a / n) * (b[i] - sum_b / n);
    aa += (a[i] - sum_a / n) * (a[i] - sum_a / n);
    bb += (b[i] - sum_b / n) * (b[i] - sum_b / n);
  }
  return ab / std::sqrt(aa * bb);
}

// Of log loads between experts that are `lag` apart, mean over layers.
double NeighbourCorrelation(std::span<const double> rates, std::size_t lag) {
  double sum = 0;
  for (std::size_t layer = 0; layer < 58; ++layer) {
    std::vector<double> first;
    std::vector<double> second;
    for (std::size_t expert = 0; expert + lag < kExperts; ++expert) {
      first.push_back(std::log(rates[layer * kExperts + expert]));
      second.push_back(std::log(rates[layer * kExperts + expert + lag]));
    }
    sum += Correlation(first, second);
  }
  return sum / 58;
}

std::vector<double> Rates(const DriftOptions& options, double seconds) {
  DriftingLoads loads(options);
  loads.AdvanceTo(seconds);
  return {loads.rates().begin(), loads.rates().end()};
}

TEST(DriftingLoadsTest, TheContiguousLayoutSuffersAsWithMeasuredTraffic) {
  double sum = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const double step_time = ContiguousStepTime(Rates({.seed = seed}, 0));
    EXPECT_THAT(step_time, AllOf(Gt(1.9), Lt(2.9))) << "seed " << seed;
    sum += step_time;
  }
  EXPECT_THAT(sum / 8, AllOf(Ge(2.2), Le(2.4)));
  EXPECT_THAT(ContiguousStepTime(Rates({}, 0)), AllOf(Ge(2.25), Le(2.4))) << "what the demo starts from";
}

TEST(DriftingLoadsTest, NeighboursAreAlikeAsInMeasuredTraffic) {
  const std::vector<double> rates = Rates({}, 0);
  EXPECT_THAT(NeighbourCorrelation(rates, 1), AllOf(Gt(0.2), Lt(0.5)));
  EXPECT_THAT(NeighbourCorrelation(rates, 8), AllOf(Gt(0.2), Lt(0.5)));
  EXPECT_THAT(NeighbourCorrelation(rates, 8), Gt(NeighbourCorrelation(rates, 64)));
  EXPECT_NEAR(NeighbourCorrelation(Rates({.neighbour_share = 0}, 0), 1), 0, 0.05);
}

TEST(DriftingLoadsTest, TokensAddUpWhateverHappens) {
  for (const double seconds : {0.0, 3.0, 100.0}) {
    const std::vector<double> rates = Rates({.shift_at = 2}, seconds);
    for (std::size_t layer = 0; layer < 58; ++layer) {
      double sum = 0;
      for (std::size_t i = layer * kExperts; i < (layer + 1) * kExperts; ++i) sum += rates[i];
      EXPECT_NEAR(sum, 1e6, 1) << "layer " << layer;
    }
  }
}

TEST(DriftingLoadsTest, AShiftChangesTheLoadsAtOnceAndASeedAll) {
  const auto correlation = [](const std::vector<double>& a, const std::vector<double>& b) { return Correlation(a, b); };
  const std::vector<double> before = Rates({.shift_at = 10}, 9.9);
  EXPECT_GT(correlation(before, Rates({}, 10.1)), 0.99);
  EXPECT_LT(correlation(before, Rates({.shift_at = 10}, 10.1)), 0.9);
  EXPECT_THAT(Rates({}, 5), ElementsAreArray(Rates({}, 5)));
  EXPECT_THAT(Rates({}, 5), Not(ElementsAreArray(Rates({.seed = 2}, 5))));
}

TEST(DriftingLoadsTest, TimeMayComeInAnySteps) {
  DriftingLoads loads({.num_layers = 2, .num_experts = 8});
  for (double seconds = 0; seconds < 7; seconds += 0.37) loads.AdvanceTo(seconds);
  loads.AdvanceTo(7);
  const std::vector<double> rates(loads.rates().begin(), loads.rates().end());
  EXPECT_THAT(rates, ElementsAreArray(Rates({.num_layers = 2, .num_experts = 8}, 7)));
}

}  // namespace
}  // namespace eplb
