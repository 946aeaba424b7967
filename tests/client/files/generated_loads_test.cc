#include "client/files/generated_loads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace eplb {
namespace {

TEST(GeneratedLoadsTest, EqualSeedsGiveEqualLoadsAndOthersOthers) {
  EXPECT_EQ(*GenerateLoads({.layers = 3, .experts = 8, .seed = 4}),
            *GenerateLoads({.layers = 3, .experts = 8, .seed = 4}));
  EXPECT_FALSE(*GenerateLoads({.layers = 3, .experts = 8, .seed = 4}) ==
               *GenerateLoads({.layers = 3, .experts = 8, .seed = 5}));
}

TEST(GeneratedLoadsTest, RowsHaveTheStatedMean) {
  const LoadMatrix loads = *GenerateLoads({.layers = 2, .experts = 64, .tokens_per_expert = 500})->Sum();
  for (int layer = 0; layer < 2; ++layer) {
    const auto row = loads.layer(layer);
    EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 64 * 500, 32);
  }
}

TEST(GeneratedLoadsTest, WithoutSpreadAllExpertsAreEqual) {
  const LoadMatrix loads = *GenerateLoads({.layers = 1, .experts = 4, .sigma = 0, .noise = 0})->Sum();
  EXPECT_THAT(loads.values(), ::testing::Each(1000));
}

TEST(GeneratedLoadsTest, RefusesShapesPastTheBounds) {
  EXPECT_FALSE(GenerateLoads({.windows = 1 << 20, .sub_windows = 1 << 20}).ok());
}

}  // namespace
}  // namespace eplb
