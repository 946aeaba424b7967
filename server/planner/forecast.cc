#include "server/planner/forecast.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "server/base/check.h"
#include "server/planner/forecast_combination.h"
#include "server/planner/layer_forecaster.h"

namespace eplb {
namespace {

// Up to where errors grow by chance. Of one series of 32 values the standard error of the variance ratio over 8 steps
// is 0.52 (Lo and MacKinlay, theorem 1), and it falls with the root of the number of series: this is four of them.
double MostGrowthOfNoise(int num_experts) { return 1.0 + 2.0 / std::sqrt(num_experts); }

}  // namespace

LoadForecast ForecastLoads(std::span<const LoadMatrix> history, const ParallelFor& parallel) {
  EPLB_CHECK(!history.empty());
  const int num_layers = history[0].num_layers();
  const int num_experts = history[0].num_experts();
  const auto layers = static_cast<std::size_t>(num_layers);
  std::vector<LayerForecaster> forecasters(layers);
  parallel.Run(num_layers,
               [&](int layer, int) { forecasters[static_cast<std::size_t>(layer)].Observe(history, layer); });

  ErrorProducts pooled = {};
  for (const LayerForecaster& forecaster : forecasters) AddScaled(forecaster.errors(), pooled);

  std::vector<double> mean(layers * static_cast<std::size_t>(num_experts));
  std::vector<double> variance(mean.size());
  parallel.Run(num_layers, [&](int layer, int) {
    const std::size_t offset = static_cast<std::size_t>(layer) * static_cast<std::size_t>(num_experts);
    forecasters[static_cast<std::size_t>(layer)].Predict(
        pooled, std::span(mean).subspan(offset, static_cast<std::size_t>(num_experts)),
        std::span(variance).subspan(offset, static_cast<std::size_t>(num_experts)));
  });
  LoadForecast forecast{.mean = LoadMatrix::Derived(num_layers, num_experts, std::move(mean)),
                        .variance = LoadMatrix::Derived(num_layers, num_experts, std::move(variance)),
                        .noise_ratio = {}};
  double mean_growth = 0;
  for (const LayerForecaster& forecaster : forecasters) mean_growth += forecaster.error_growth() / num_layers;
  for (const LayerForecaster& forecaster : forecasters) {
    forecast.noise_ratio.push_back(forecaster.noise_ratio());
    const bool is_settled = (forecaster.error_growth() + mean_growth) / 2 <= MostGrowthOfNoise(num_experts);
    forecast.settled_noise_ratio.push_back(is_settled ? forecaster.noise_ratio() : 0.0);
    for (std::size_t i = 0; i < forecast.memory_weights.size(); ++i) {
      forecast.memory_weights[i] += forecaster.weights()[i] / num_layers;
    }
  }
  return forecast;
}

}  // namespace eplb
