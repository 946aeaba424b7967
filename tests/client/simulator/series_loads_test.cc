#include "client/simulator/series_loads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace eplb {
namespace {

using ::testing::ElementsAre;

// Two windows of two sub-windows, one layer, two experts: 1 2, 3 4, 5 6, 7 8.
std::shared_ptr<const LoadSeries> SmallSeries() {
  LoadValues values;
  for (int value = 1; value <= 8; ++value) values.Append(value);
  return std::make_shared<const LoadSeries>(
      *LoadSeries::Create({.windows = 2, .sub_windows = 2, .layers = 1, .experts = 2}, std::move(values)));
}

TEST(SeriesLoadsTest, EachSubWindowLastsAsLongAndTheFirstFollowsTheLast) {
  SeriesLoads loads(SmallSeries(), 0.5);
  EXPECT_THAT(loads.rates(), ElementsAre(2, 4)) << "tokens per second";
  loads.AdvanceTo(0.49);
  EXPECT_THAT(loads.rates(), ElementsAre(2, 4));
  loads.AdvanceTo(0.5);
  EXPECT_THAT(loads.rates(), ElementsAre(6, 8));
  loads.AdvanceTo(1.75);
  EXPECT_THAT(loads.rates(), ElementsAre(14, 16));
  loads.AdvanceTo(2.1);
  EXPECT_THAT(loads.rates(), ElementsAre(2, 4));
}

}  // namespace
}  // namespace eplb
