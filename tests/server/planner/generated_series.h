#ifndef EPLB_TESTS_SERVER_PLANNER_GENERATED_SERIES_H_
#define EPLB_TESTS_SERVER_PLANNER_GENERATED_SERIES_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "server/model/load_matrix.h"

namespace eplb::testing {

// Sub-windows of loads of 4 layers x 32 experts with skewed popularity, generated from a seed.
class GeneratedSeries {
 public:
  static constexpr int kLayers = 4;
  static constexpr int kExperts = 32;

  explicit GeneratedSeries(std::uint64_t seed) : random_(seed) {
    for (double& popularity : popularity_) popularity = std::exp(0.8 * normal_(random_));
  }

  // The same popularity for ever, each observation off by counting noise.
  std::vector<LoadMatrix> Stationary(int sub_windows, double noise) {
    return Generate(sub_windows, noise, [](int) {});
  }
  // The same, each load a Poisson count of mean 1000 times `tokens` and the popularity.
  std::vector<LoadMatrix> StationaryCounts(int sub_windows, double tokens) {
    std::vector<LoadMatrix> series;
    for (int i = 0; i < sub_windows; ++i) {
      std::vector<double> loads;
      for (const double popularity : popularity_) {
        loads.push_back(std::poisson_distribution<int>(1000.0 * tokens * popularity)(random_));
      }
      series.push_back(LoadMatrix::Create(kLayers, kExperts, std::move(loads)).value());
    }
    return series;
  }
  // Every popularity takes a random walk of its logarithm.
  std::vector<LoadMatrix> Drifting(int sub_windows, double noise, double step) {
    return Generate(sub_windows, noise, [this, step](int) {
      for (double& popularity : popularity_) popularity *= std::exp(step * normal_(random_));
    });
  }
  // Stationary, but for one sub-window from which on all popularities are other ones.
  std::vector<LoadMatrix> Jumping(int sub_windows, double noise, int jump) {
    return Generate(sub_windows, noise, [this, jump](int sub_window) {
      if (sub_window == jump) std::ranges::reverse(popularity_);
    });
  }

  // Every load swings between 0 and `high`, neighbours the opposite way.
  static std::vector<LoadMatrix> Alternating(int sub_windows, int layers, int experts, double high) {
    std::vector<LoadMatrix> series;
    for (int i = 0; i < sub_windows; ++i) {
      std::vector<double> loads;
      for (int cell = 0; cell < layers * experts; ++cell) loads.push_back((i + cell) % 2 == 0 ? high : 0.0);
      series.push_back(LoadMatrix::Create(layers, experts, std::move(loads)).value());
    }
    return series;
  }

 private:
  std::vector<LoadMatrix> Generate(int sub_windows, double noise, const std::function<void(int)>& advance) {
    std::vector<LoadMatrix> series;
    for (int i = 0; i < sub_windows; ++i) {
      advance(i);
      std::vector<double> loads;
      for (const double popularity : popularity_) {
        loads.push_back(std::floor(1000.0 * popularity * std::max(0.0, 1.0 + noise * normal_(random_))));
      }
      series.push_back(LoadMatrix::Create(kLayers, kExperts, std::move(loads)).value());
    }
    return series;
  }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::vector<double> popularity_ = std::vector<double>(kLayers * kExperts);
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SERVER_PLANNER_GENERATED_SERIES_H_
