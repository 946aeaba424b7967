#include "server/balancer/incremental/load_potential.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

const Topology& Fleet() {
  static const Topology topology = Topology::Create({.num_gpus = 3, .num_slots = 9, .gpu_speed = {1, 2, 1}}).value();
  return topology;
}

constexpr std::int32_t kBefore[] = {0, 1, 2, 3, 4, 5, 6, 0, 1};
constexpr std::int32_t kAfter[] = {0, 1, 2, 3, 4, 5, 6, 3, 1};

double PotentialOf(std::span<const std::int32_t> slots, std::span<const double> loads) {
  const PlacementConstraints constraints;
  LayerSlots layer(Fleet(), constraints, 7);
  layer.Load(0, slots);
  LoadPotential potential(layer, 3);
  const LayerSample sample{.loads = loads};
  potential.Load({&sample, 1});
  return potential.value();
}

TEST(LoadPotential, TheNoiseOfAGainIsTheSpreadOfTheGainsThatNoisyLoadsShow) {
  const std::vector<double> loads = {900, 500, 400, 800, 300, 600, 700};
  const std::vector<double> variance = {400, 900, 100, 1600, 250, 50, 90};
  const PlacementConstraints constraints;
  LayerSlots layer(Fleet(), constraints, 7);
  LoadPotential potential(layer, 3);
  const LayerSample sample{.loads = loads, .variance = variance, .noise_ratio = 0.25};
  std::vector<double> before;
  std::vector<double> after;
  layer.Load(0, kBefore);
  potential.Load({&sample, 1});
  ASSERT_TRUE(potential.has_noise());
  potential.MeasureGradient(before);
  layer.Load(0, kAfter);
  potential.Refresh();
  potential.MeasureGradient(after);
  EXPECT_EQ(potential.GainNoise(before, before), 0.0);

  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  constexpr int kDraws = 4000;
  double sum = 0;
  double squares = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<double> noisy = loads;
    for (std::size_t e = 0; e < noisy.size(); ++e) noisy[e] += std::sqrt(0.25 * variance[e]) * normal(random);
    const double gain = PotentialOf(kBefore, noisy) - PotentialOf(kAfter, noisy);
    sum += gain;
    squares += gain * gain;
  }
  const double spread = std::sqrt(squares / kDraws - sum / kDraws * (sum / kDraws));
  EXPECT_NEAR(potential.GainNoise(before, after), spread, 0.05 * spread);
}

TEST(LoadPotential, SlopesAreTangentsOfTerms) {
  const std::vector<double> loads = {900, 500, 400, 800, 300, 600, 700};
  const PlacementConstraints constraints;
  LayerSlots layer(Fleet(), constraints, 7);
  layer.Load(0, kBefore);
  for (int exponent = 1; exponent <= 6; ++exponent) {
    LoadPotential potential(layer, exponent);
    const LayerSample sample{.loads = loads};
    potential.Load({&sample, 1});
    for (int gpu = 0; gpu < 3; ++gpu) {
      const double amount = potential.amount(gpu, 0);
      const double slope = potential.SlopeOf(potential.term(gpu, 0), amount);
      const double numeric = (potential.Term(gpu, 0, amount + 0.01) - potential.Term(gpu, 0, amount - 0.01)) / 0.02;
      EXPECT_NEAR(slope, numeric, 1e-5 * numeric);
      for (const double other : {0.5 * amount, 1.5 * amount}) {
        EXPECT_GE(potential.Term(gpu, 0, other), potential.term(gpu, 0) + slope * (other - amount));
      }
    }
  }
}

}  // namespace
}  // namespace eplb
