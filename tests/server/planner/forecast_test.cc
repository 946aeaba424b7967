#include "server/planner/forecast.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/thread_team.h"
#include "server/planner/forecast_combination.h"
#include "tests/server/planner/generated_series.h"

namespace eplb {
namespace {

using testing::GeneratedSeries;

LoadForecast Forecast(const std::vector<LoadMatrix>& history) { return ForecastLoads(history, SerialFor()); }

double SquaredError(const LoadMatrix& forecast, const LoadMatrix& truth) {
  double sum = 0;
  for (std::size_t i = 0; i < truth.values().size(); ++i) {
    const double error = forecast.values()[i] - truth.values()[i];
    sum += error * error;
  }
  return sum;
}

TEST(Forecast, OfOneSubWindowIsThatSubWindow) {
  const std::vector<LoadMatrix> history = GeneratedSeries(1).Stationary(1, 0.0);
  const LoadForecast forecast = Forecast(history);
  for (std::size_t i = 0; i < history[0].values().size(); ++i) {
    EXPECT_NEAR(forecast.mean.values()[i], history[0].values()[i], 1e-3 * history[0].values()[i]);
    EXPECT_EQ(forecast.variance.values()[i], 0.0);
  }
}

TEST(Forecast, OfNoiseRemembersLong) {
  const LoadForecast forecast = Forecast(GeneratedSeries(2).Stationary(32, 0.2));
  EXPECT_GT(forecast.memory_weights[3] + forecast.memory_weights[4], 0.8);
  for (const double ratio : forecast.noise_ratio) EXPECT_LT(ratio, 0.12);
}

TEST(Forecast, OfMovingTrafficRemembersShortly) {
  const LoadForecast forecast = Forecast(GeneratedSeries(3).Drifting(32, 0.0, 0.2));
  EXPECT_GT(forecast.memory_weights[0], 0.8);
}

TEST(Forecast, TellsNoiseThatWaitingRemovesFromMovement) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const LoadForecast still = Forecast(GeneratedSeries(seed).StationaryCounts(32, 0.2));
    EXPECT_EQ(still.settled_noise_ratio, still.noise_ratio) << seed;
    const LoadForecast moving = Forecast(GeneratedSeries(seed).Drifting(32, 0.05, 0.05));
    EXPECT_EQ(moving.settled_noise_ratio, std::vector<double>(GeneratedSeries::kLayers, 0.0)) << seed;
  }
}

TEST(Forecast, FollowsAJump) {
  GeneratedSeries generated(4);
  const std::vector<LoadMatrix> series = generated.Jumping(32, 0.05, 29);
  const LoadForecast forecast = Forecast(std::vector<LoadMatrix>(series.begin(), series.begin() + 31));
  const LoadForecast unaware = Forecast(std::vector<LoadMatrix>(series.begin(), series.begin() + 29));
  EXPECT_LT(SquaredError(forecast.mean, series[31]), 0.25 * SquaredError(unaware.mean, series[31]));
}

TEST(Forecast, IsNoWorseThanTheBestOfTheNewestAndTheMeanByMuch) {
  for (const double step : {0.0, 0.05, 0.1, 0.3}) {
    const std::vector<LoadMatrix> series = GeneratedSeries(5).Drifting(96, 0.1, step);
    double error = 0;
    double error_of_newest = 0;
    double error_of_mean = 0;
    for (std::size_t t = 32; t < series.size(); ++t) {
      const std::vector<LoadMatrix> history(series.begin() + static_cast<std::ptrdiff_t>(t) - 32,
                                            series.begin() + static_cast<std::ptrdiff_t>(t));
      std::vector<double> mean(series[0].values().size(), 0.0);
      for (const LoadMatrix& loads : history) {
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += loads.values()[i] / 32;
      }
      error += SquaredError(Forecast(history).mean, series[t]);
      error_of_newest += SquaredError(series[t - 1], series[t]);
      error_of_mean += SquaredError(
          LoadMatrix::Create(GeneratedSeries::kLayers, GeneratedSeries::kExperts, mean).value(), series[t]);
    }
    EXPECT_LT(error, 1.15 * std::min(error_of_newest, error_of_mean)) << "step " << step;
  }
}

TEST(Forecast, VarianceIsThatOfTheNoise) {
  const std::vector<LoadMatrix> series = GeneratedSeries(6).Stationary(32, 0.2);
  const LoadForecast forecast = Forecast(series);
  double expected = 0;
  double foretold = 0;
  for (std::size_t i = 0; i < forecast.mean.values().size(); ++i) {
    expected += 0.04 * forecast.mean.values()[i] * forecast.mean.values()[i];
    foretold += forecast.variance.values()[i];
  }
  EXPECT_NEAR(foretold / expected, 1.0, 0.3);
}

TEST(Forecast, SubWindowsWithoutTokensSayNothing) {
  std::vector<LoadMatrix> series = GeneratedSeries(7).Stationary(8, 0.0);
  const LoadForecast before = Forecast(series);
  const auto zeros = std::vector<double>(series[0].values().size(), 0.0);
  series.push_back(LoadMatrix::Create(GeneratedSeries::kLayers, GeneratedSeries::kExperts, zeros).value());
  const LoadForecast after = Forecast(series);
  const double shrink = after.mean.values()[0] / before.mean.values()[0];
  for (std::size_t i = 0; i < zeros.size(); ++i) {
    EXPECT_TRUE(std::isfinite(after.mean.values()[i]));
    if (shrink > 0) {
      EXPECT_NEAR(after.mean.values()[i], shrink * before.mean.values()[i], 1e-2 * before.mean.values()[i]);
    }
  }
}

TEST(Forecast, TakesTheLargestLoadsThatAnEdgeAdmits) {
  // A report's cells end at 2^36, any window's layers at 2^53.
  for (const auto& [experts, high] : {std::pair{4096, 0x1p36}, std::pair{16, 0x1p36}, std::pair{2, 0x1p52}}) {
    const LoadForecast forecast = Forecast(GeneratedSeries::Alternating(32, 2, experts, high));
    EXPECT_GT(*std::ranges::max_element(forecast.variance.values()), 0x1p60);
    for (const double value : forecast.mean.values()) EXPECT_LE(value, high);
  }
}

TEST(Forecast, ATraceOfATokenIsNoLoad) {
  for (const double high : {1e-30, 1e-310}) {
    const LoadForecast forecast = Forecast(GeneratedSeries::Alternating(8, 1, 4, high));
    EXPECT_EQ(*std::ranges::max_element(forecast.mean.values()), 0.0);
  }
}

TEST(Forecast, DoesNotDependOnThreads) {
  const std::vector<LoadMatrix> series = GeneratedSeries(8).Drifting(20, 0.1, 0.1);
  const ThreadTeam team(3);
  const LoadForecast one = Forecast(series);
  const LoadForecast three = ForecastLoads(series, team);
  EXPECT_TRUE(one.mean == three.mean);
  EXPECT_TRUE(one.variance == three.variance);
}

TEST(BestWeights, OfIndependentErrorsAreInverseToTheirVariance) {
  ErrorProducts products = {};
  for (std::size_t i = 0; i < products.size(); ++i) products[i][i] = static_cast<double>(i + 1);
  const AverageWeights weights = BestWeights(products);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_NEAR(weights[i] * static_cast<double>(i + 1), weights[0], 1e-6);
  }
}

TEST(BestWeights, LeaveOutAnAverageThatOnlyAddsToTheErrorOfAnother) {
  ErrorProducts products = {};
  for (std::size_t i = 0; i < products.size(); ++i) {
    for (std::size_t j = 0; j < products.size(); ++j) products[i][j] = 1.0;
    products[i][i] = 1.0 + static_cast<double>(i);
  }
  const AverageWeights weights = BestWeights(products);
  EXPECT_NEAR(weights[0], 1.0, 1e-6);
}

}  // namespace
}  // namespace eplb
