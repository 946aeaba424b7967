#include "server/planner/forecast_combination.h"

#include <algorithm>
#include <cmath>

namespace eplb {
namespace {

constexpr std::size_t kNum = LoadForecast::kNumAverages;
constexpr int kSweeps = 40;

}  // namespace

void AddScaled(const ErrorProducts& products, ErrorProducts& sum) {
  double trace = 0;
  for (std::size_t i = 0; i < kNum; ++i) trace += products[i][i];
  if (trace <= 0) return;
  for (std::size_t i = 0; i < kNum; ++i) {
    for (std::size_t j = 0; j < kNum; ++j) sum[i][j] += products[i][j] / trace;
  }
}

AverageWeights BestWeights(const ErrorProducts& products) {
  // Pairwise descent: weight is shifted between two averages at a time, by the exact amount that is best for the pair.
  AverageWeights weights;
  weights.fill(1.0 / kNum);
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (std::size_t i = 0; i < kNum; ++i) {
      for (std::size_t j = i + 1; j < kNum; ++j) {
        const double curvature = products[i][i] - 2 * products[i][j] + products[j][j];
        if (curvature <= 0) continue;
        double slope = 0;
        for (std::size_t k = 0; k < kNum; ++k) slope += (products[i][k] - products[j][k]) * weights[k];
        const double shift = std::clamp(-slope / curvature, -weights[i], weights[j]);
        weights[i] += shift;
        weights[j] -= shift;
      }
    }
  }
  return weights;
}

}  // namespace eplb
