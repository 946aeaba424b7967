#include "server/planner/layer_forecaster.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace eplb {
namespace {

constexpr std::size_t kNum = LoadForecast::kNumAverages;
// Weight of the newest sub-window in each average; 0: all alike.
constexpr std::array<double, kNum> kNewest = {1.0, 0.5, 0.25, 0.1, 0.0};
// By how much an error fades with each sub-window.
constexpr float kErrorMemory = 0.95F;
// The fit counts as much as this many errors of an expert's own.
constexpr double kFitErrors = 8.0;

// Totals below it are none: a fraction of a token, whose inverse would leave the range of a float.
constexpr double kLeastTokens = 1e-9;

// Least squares of v / x = a + b x with a, b >= 0.
struct VarianceFit {
  double a = 0;
  double b = 0;
};

VarianceFit FitVariance(std::span<const double> mean, std::span<const double> variance) {
  double n = 0;
  double sx = 0;
  double sxx = 0;
  double sy = 0;
  double sxy = 0;
  for (std::size_t e = 0; e < mean.size(); ++e) {
    if (mean[e] <= 0) continue;
    const double y = variance[e] / mean[e];
    n += 1;
    sx += mean[e];
    sxx += mean[e] * mean[e];
    sy += y;
    sxy += mean[e] * y;
  }
  const double determinant = n * sxx - sx * sx;
  VarianceFit fit;
  if (determinant > 1e-12 * n * sxx) fit = {(sxx * sy - sx * sxy) / determinant, (n * sxy - sx * sy) / determinant};
  if (fit.a <= 0) fit = {0, sxx > 0 ? sxy / sxx : 0};
  if (fit.b <= 0) fit = {n > 0 ? sy / n : 0, 0};
  return fit;
}

}  // namespace

void LayerForecaster::Observe(std::span<const LoadMatrix> history, int layer) {
  num_steps_ = static_cast<int>(history.size());
  num_experts_ = history[0].num_experts();
  const auto experts = static_cast<std::size_t>(num_experts_);
  shares_.resize(history.size() * experts);
  totals_.resize(history.size());
  precision_.assign(experts, 0.0F);
  for (std::size_t step = 0; step < history.size(); ++step) {
    const std::span<const double> loads = history[step].layer(layer);
    double total = 0;
    for (const double load : loads) total += load;
    if (total < kLeastTokens) total = 0;
    totals_[step] = total;
    float* shares = &shares_[step * experts];
    const float inverse = total > 0 ? static_cast<float>(1.0 / total) : 0.0F;
    for (std::size_t e = 0; e < experts; ++e) {
      shares[e] = static_cast<float>(loads[e]) * inverse;
      precision_[e] += shares[e];
    }
  }
  // An expert's error counts by what its load could err by: between counting noise and none. The mean share keeps idle
  // experts from counting much.
  const float steps = static_cast<float>(num_steps_);
  for (float& value : precision_) value = 1.0F / (value / steps + 1.0F / static_cast<float>(num_experts_));
  errors_ = {};
  std::vector<float> averages(kNum * experts);
  RunningTokens tokens = {};
  for (int step = 0; step < num_steps_; ++step) {
    if (step > 0) NoteErrors(step, averages);
    Advance(step, tokens, averages);
  }
  expected_tokens_ = tokens[1];
}

void LayerForecaster::Advance(int step, RunningTokens& tokens, std::span<float> averages) const {
  const auto experts = static_cast<std::size_t>(num_experts_);
  const double total = totals_[static_cast<std::size_t>(step)];
  const float* shares = &shares_[static_cast<std::size_t>(step) * experts];
  if (step == 0) {
    for (std::size_t j = 0; j < kNum; ++j) std::copy_n(shares, experts, &averages[j * experts]);
  }
  for (std::size_t j = 0; j < kNum; ++j) {
    const double newest = std::max(kNewest[j], 1.0 / static_cast<double>(step + 1));
    tokens[j] += newest * (total - tokens[j]);
    // The part of the average's tokens that the newest sub-window brings.
    const float part = tokens[j] > 0 ? static_cast<float>(newest * total / tokens[j]) : 0.0F;
    float* average = &averages[j * experts];
    for (std::size_t e = 0; e < experts; ++e) average[e] = average[e] + part * (shares[e] - average[e]);
  }
}

double LayerForecaster::noise_ratio() const {
  double newest = 0;
  for (std::size_t j = 0; j < kNum; ++j) newest += weights_[j] * std::max(kNewest[j], 1.0 / num_steps_);
  return newest * (1.0 - newest) * next_to_later_;
}

void LayerForecaster::NoteErrors(int step, std::span<const float> averages) {
  const auto experts = static_cast<std::size_t>(num_experts_);
  const float* shares = &shares_[static_cast<std::size_t>(step) * experts];
  const double importance = std::pow(static_cast<double>(kErrorMemory), num_steps_ - 1 - step);
  for (std::size_t i = 0; i < kNum; ++i) {
    for (std::size_t j = i; j < kNum; ++j) {
      const float* a = &averages[i * experts];
      const float* b = &averages[j * experts];
      std::array<float, 8> sums = {};
      std::size_t e = 0;
      for (; e + 8 <= experts; e += 8) {
        for (std::size_t k = 0; k < 8; ++k) {
          sums[k] += precision_[e + k] * (a[e + k] - shares[e + k]) * (b[e + k] - shares[e + k]);
        }
      }
      for (; e < experts; ++e) sums[0] += precision_[e] * (a[e] - shares[e]) * (b[e] - shares[e]);
      double sum = 0;
      for (const float part : sums) sum += static_cast<double>(part);
      errors_[i][j] += importance * sum;
      if (i != j) errors_[j][i] += importance * sum;
    }
  }
}

void LayerForecaster::Predict(const ErrorProducts& pooled, std::span<double> mean, std::span<double> variance) {
  ErrorProducts products = {};
  AddScaled(errors_, products);
  AddScaled(pooled, products);
  weights_ = BestWeights(products);
  const auto experts = static_cast<std::size_t>(num_experts_);
  std::vector<float> averages(kNum * experts);
  foretold_.resize(shares_.size());
  RunningTokens tokens = {};
  for (int step = 0; step < num_steps_; ++step) {
    Advance(step, tokens, averages);
    Combine(averages, std::span(foretold_).subspan(static_cast<std::size_t>(step) * experts, experts));
  }
  for (std::size_t e = 0; e < experts; ++e) {
    double share = 0;
    for (std::size_t j = 0; j < kNum; ++j) share += weights_[j] * static_cast<double>(averages[j * experts + e]);
    mean[e] = share;
  }
  MeasureVariance(mean, variance);
  foretold_ = {};
  for (std::size_t e = 0; e < experts; ++e) {
    mean[e] *= expected_tokens_;
    variance[e] *= expected_tokens_ * expected_tokens_;
  }
}

void LayerForecaster::Combine(std::span<const float> averages, std::span<float> foretold) const {
  std::ranges::fill(foretold, 0.0F);
  for (std::size_t j = 0; j < kNum; ++j) {
    const float weight = static_cast<float>(weights_[j]);
    const float* average = &averages[j * foretold.size()];
    for (std::size_t e = 0; e < foretold.size(); ++e) foretold[e] += weight * average[e];
  }
}

int LayerForecaster::SumSquaredErrors(int ahead, std::span<double> sums) const {
  const auto experts = static_cast<std::size_t>(num_experts_);
  const int errors = std::max(0, num_steps_ - ahead);
  for (int step = 0; step < errors; ++step) {
    const float* foretold = &foretold_[static_cast<std::size_t>(step) * experts];
    const float* shares = &shares_[static_cast<std::size_t>(step + ahead) * experts];
    for (std::size_t e = 0; e < experts; ++e) {
      const double error = static_cast<double>(foretold[e] - shares[e]);
      sums[e] += error * error;
    }
  }
  return errors;
}

void LayerForecaster::MeasureVariance(std::span<const double> combined, std::span<double> variance) {
  std::ranges::fill(variance, 0.0);
  const int next_errors = SumSquaredErrors(1, variance);
  if (next_errors == 0) return;
  double next = 0;
  for (double& value : variance) next += std::exchange(value, 0.0) / next_errors;
  const int ahead = std::max(1, num_steps_ / 4);
  const int errors = SumSquaredErrors(ahead, variance);
  double later = 0;
  for (double& value : variance) later += value /= errors;
  next_to_later_ = later > next ? next / later : 1.0;
  const VarianceFit fit = FitVariance(combined, variance);
  // Errors that overlap in time are not independent.
  const double own = static_cast<double>(errors) / ahead;
  for (std::size_t e = 0; e < combined.size(); ++e) {
    const double fitted = fit.a * combined[e] + fit.b * combined[e] * combined[e];
    variance[e] = (own * variance[e] + kFitErrors * fitted) / (own + kFitErrors);
  }
}

}  // namespace eplb
