#include "client/simulator/drifting_loads.h"

#include <algorithm>
#include <cmath>

namespace eplb {
namespace {

constexpr double kStepSeconds = 0.25;
// The workload in favour has e^2 times the weight of one that is not: about 70 % of the traffic of four.
constexpr double kFavour = 2.0;

}  // namespace

DriftingLoads::DriftingLoads(const DriftOptions& options) : options_(options), normal_(options.seed) {
  const auto layers = static_cast<std::size_t>(options.num_layers);
  const auto experts = static_cast<std::size_t>(options.num_experts);
  std::vector<double> sigma(layers);
  for (double& value : sigma) value = options.sigma * std::exp(options.sigma_spread * normal_.Next());
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
    double neighbourhood = normal_.Next();
    for (int expert = 0; expert < options_.num_experts; ++expert) {
      const double deviation = normal_.Next();
      values.push_back(shared * neighbourhood + own * deviation);
      neighbourhood = keep * neighbourhood + fresh * normal_.Next();
    }
  }
  return values;
}

void DriftingLoads::AdvanceTo(double seconds) {
  bool moved = false;
  while (now_ + kStepSeconds <= seconds) {
    now_ += kStepSeconds;
    moved = true;
    for (double& preference : preference_) preference += std::sqrt(options_.drift * kStepSeconds) * normal_.Next();
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
