#ifndef EPLB_SERVER_PLANNER_LAYER_FORECASTER_H_
#define EPLB_SERVER_PLANNER_LAYER_FORECASTER_H_

#include <array>
#include <span>
#include <vector>

#include "server/model/load_matrix.h"
#include "server/planner/forecast_combination.h"

namespace eplb {

// One layer's part of a LoadForecast: first Observe, then, when the error products of all layers are known, Predict.
class LayerForecaster {
 public:
  // Runs the averages over the layer's history and notes how wrong each was.
  void Observe(std::span<const LoadMatrix> history, int layer);

  const ErrorProducts& errors() const { return errors_; }
  // After Predict.
  const AverageWeights& weights() const { return weights_; }

  // Part of the variance that is noise left in the mean: see LoadForecast. After Predict.
  double noise_ratio() const;
  // Variance of the errors several sub-windows ahead over that of those one ahead, at least 1. After Predict.
  double error_growth() const { return 1.0 / next_to_later_; }

  // pooled: sum over the layers of their scaled products. mean, variance: [experts], in tokens and squared tokens.
  void Predict(const ErrorProducts& pooled, std::span<double> mean, std::span<double> variance);

 private:
  using RunningTokens = std::array<double, LoadForecast::kNumAverages>;  // average total of each average

  // Takes a step into the averages [averages, experts].
  void Advance(int step, RunningTokens& tokens, std::span<float> averages) const;
  // Notes by how much the averages before the step were wrong about it.
  void NoteErrors(int step, std::span<const float> averages);
  void Combine(std::span<const float> averages, std::span<float> foretold) const;
  // Adds the squared errors of the combination `ahead` sub-windows later to sums [experts]; returns how many there
  // were.
  int SumSquaredErrors(int ahead, std::span<double> sums) const;
  void MeasureVariance(std::span<const double> combined, std::span<double> variance);

  int num_steps_ = 0;
  int num_experts_ = 0;
  double expected_tokens_ = 0;
  double next_to_later_ = 1;  // variance one sub-window ahead over the one foretold
  ErrorProducts errors_ = {};
  AverageWeights weights_ = {};
  std::vector<float> shares_;     // [steps, experts]
  std::vector<double> totals_;    // [steps] tokens
  std::vector<float> foretold_;   // [steps, experts] share by the combination after each step, while predicting
  std::vector<float> precision_;  // [experts] what a squared error counts
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_LAYER_FORECASTER_H_
