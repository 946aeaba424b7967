#include "client/files/whole_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "server/model/limits.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(WholeTokensTest, WholeNumbersStayAsTheyAre) {
  const LoadMatrix loads = *LoadMatrix::Create(1, 3, {0, 5, 9007199254740987.0});
  EXPECT_EQ(WholeTokens(loads), loads);
}

TEST(WholeTokensTest, FractionsKeepTheirProportions) {
  const LoadMatrix whole = WholeTokens(*LoadMatrix::Create(1, 3, {0.25, 0.5, 0.25}));
  EXPECT_THAT(whole.values(), ElementsAre(std::exp2(30), std::exp2(31), std::exp2(30)));
}

TEST(WholeTokensTest, AllLayersAreScaledAlikeAndStayWithinTheBound) {
  const LoadMatrix whole = WholeTokens(*LoadMatrix::Create(2, 2, {1e12, 2e12, 0.5, 1.5}));
  const auto heavy = whole.layer(0);
  EXPECT_LE(std::accumulate(heavy.begin(), heavy.end(), 0.0), kMaxLayerLoad);
  EXPECT_EQ(whole.layer(1)[1] / whole.layer(1)[0], 3.0);
  EXPECT_EQ(heavy[1] / heavy[0], 2.0);
}

TEST(WholeTokensTest, AtTheBoundFractionsAreCutOff) {
  const LoadMatrix whole = WholeTokens(*LoadMatrix::Create(1, 3, {4503599627370496.0, 4503599627370495.0, 0.5}));
  EXPECT_THAT(whole.values(), ElementsAre(4503599627370496.0, 4503599627370495.0, 0));
}

}  // namespace
}  // namespace eplb
