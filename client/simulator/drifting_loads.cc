#include "client/simulator/drifting_loads.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace eplb {
namespace {

constexpr double kStepSeconds = 0.25;
// The workload in favour has e^2 times the weight of one that is not: about 70 % of the traffic of four.
constexpr double kFavour = 2.0;

}  // namespace

DriftingLoads::DriftingLoads(const DriftOptions& options) : options_(options), state_(options.seed) {
  const auto layers = static_cast<std::size_t>(options.num_layers);
  const auto experts = static_cast<std::size_t>(options.num_experts);
  std::vector<double> sigma(layers);
  for (double& value : sigma) value = options.sigma * std::exp(options.sigma_spread * Normal());
  const std::vector<double> common = LogPopularity();
  popularity_.resize(static_cast<std::size_t>(options.num_workloads));
  for (std::vector<double>& popularity : popularity_) {
    popularity = LogPopularity();
    for (std::size_t layer = 0; layer < layers; ++layer) {
      double sum = 0;
      for (std::size_t i = layer * experts; i < (layer + 1) * experts; ++i) {
        const double mixed =
            std::sqrt(options.similarity) * common[i] + std::sqrt(1 - options.similarity) * popularity[i];
        popularity[i] = std::exp(sigma[layer] * mixed);
        sum += popularity[i];
      }
      for (std::size_t i = layer * experts; i < (layer + 1) * experts; ++i) popularity[i] /= sum;
    }
  }
  preference_.assign(popularity_.size(), 0.0);
  preference_[0] = kFavour;
  rates_.resize(layers * experts);
  Mix();
}

// Normal with variance 1, [layers x experts]: what each expert has of its own, and along the experts of a layer a first
// order autoregression.
std::vector<double> DriftingLoads::LogPopularity() {
  const double keep = std::exp(-1 / options_.neighbour_length);
  const double fresh = std::sqrt(1 - keep * keep);
  const double shared = std::sqrt(options_.neighbour_share);
  const double own = std::sqrt(1 - options_.neighbour_share);
  std::vector<double> values;
  for (int layer = 0; layer < options_.num_layers; ++layer) {
    double neighbourhood = Normal();
    for (int expert = 0; expert < options_.num_experts; ++expert) {
      const double deviation = Normal();
      values.push_back(shared * neighbourhood + own * deviation);
      neighbourhood = keep * neighbourhood + fresh * Normal();
    }
  }
  return values;
}

double DriftingLoads::Unit() {
  // splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), to (0, 1].
  state_ += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return (static_cast<double>((z ^ (z >> 31U)) >> 11U) + 1.0) * 0x1p-53;
}

double DriftingLoads::Normal() {
  const double radius = std::sqrt(-2.0 * std::log(Unit()));
  return radius * std::cos(2.0 * std::numbers::pi * Unit());
}

void DriftingLoads::AdvanceTo(double seconds) {
  bool moved = false;
  while (now_ + kStepSeconds <= seconds) {
    now_ += kStepSeconds;
    moved = true;
    for (double& preference : preference_) preference += std::sqrt(options_.drift * kStepSeconds) * Normal();
    if (!shifted_ && options_.shift_at >= 0 && now_ >= options_.shift_at) {
      shifted_ = true;
      std::fill(preference_.begin(), preference_.end(), 0.0);
      preference_.back() = kFavour;
    }
  }
  if (moved) Mix();
}

void DriftingLoads::Mix() {
  double sum = 0;
  for (const double preference : preference_) sum += std::exp(preference);
  std::fill(rates_.begin(), rates_.end(), 0.0);
  for (std::size_t k = 0; k < popularity_.size(); ++k) {
    const double tokens = options_.tokens_per_second * std::exp(preference_[k]) / sum;
    for (std::size_t i = 0; i < rates_.size(); ++i) rates_[i] += tokens * popularity_[k][i];
  }
}

}  // namespace eplb
