#include "client/files/load_series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LoadValues Values(std::initializer_list<double> list) {
  LoadValues values;
  for (double value : list) values.Append(value);
  return values;
}

TEST(LoadValuesTest, AreCompactUntilAValueIsNoSmallWholeNumber) {
  LoadValues values = Values({0, 4294967295});
  EXPECT_TRUE(values.is_compact());
  values.Append(4294967296);
  EXPECT_FALSE(values.is_compact());
  values.Append(0.5);
  values.Append(7);
  EXPECT_EQ(values.size(), 5);
  EXPECT_EQ(values.at(1), 4294967295);
  EXPECT_EQ(values.at(2), 4294967296);
  EXPECT_EQ(values.at(3), 0.5);
  EXPECT_EQ(values.at(4), 7);
}

TEST(LoadValuesTest, GatherReordersRows) {
  EXPECT_EQ(Values({1, 2, 3, 4, 5, 6}).Gather(2, {2, 0}), Values({5, 6, 1, 2}));
}

TEST(LoadSeriesTest, LayersAndWindowsCountFromZeroByDefault) {
  const auto series = LoadSeries::Create({.windows = 2, .layers = 3, .experts = 1}, Values({1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(series->model_layers(), ElementsAre(0, 1, 2));
  EXPECT_THAT(series->window_numbers(), ElementsAre(0, 1));
  EXPECT_THAT(LoadSeries(*series).NumberedFrom(3).model_layers(), ElementsAre(3, 4, 5));
}

TEST(LoadSeriesTest, NamesTheWindowsThereAre) {
  const auto series = LoadSeries::Create({.windows = 2, .layers = 1, .experts = 1}, Values({1, 2}), {4}, {3, 8});
  EXPECT_EQ(*series->FindWindow(8), 1);
  EXPECT_THAT(std::string(series->FindWindow(4).status().message()),
              HasSubstr("window 4 is not there: the file holds 2 windows, from 3 to 8"));
}

TEST(LoadSeriesTest, RefusesWhatDoesNotFit) {
  const LoadSeriesShape shape{.windows = 1, .layers = 2, .experts = 1};
  EXPECT_FALSE(LoadSeries::Create(shape, Values({1})).ok());
  EXPECT_FALSE(LoadSeries::Create(shape, Values({1, 2}), {5, 5}).ok());
  EXPECT_FALSE(LoadSeries::Create(shape, Values({1, 2}), {5}).ok());
  EXPECT_FALSE(LoadSeries::Create(shape, Values({1, 2}), {}, {0, 1}).ok());
}

TEST(LoadSeriesTest, ASumPastTwoToThe53IsAnError) {
  const auto series =
      LoadSeries::Create({.windows = 2, .layers = 1, .experts = 1}, Values({9007199254740992, 9007199254740992}));
  EXPECT_TRUE(series->Window(0).ok());
  EXPECT_THAT(std::string(series->Sum().status().message()), HasSubstr("must sum to at most 2^53"));
}

TEST(CheckShapeTest, BoundsTheProductWithoutOverflow) {
  EXPECT_TRUE(CheckShape({.windows = 1, .sub_windows = 256, .layers = 256, .experts = 4096}).ok());
  EXPECT_FALSE(CheckShape({.windows = 1, .sub_windows = 257, .layers = 256, .experts = 4096}).ok());
  EXPECT_FALSE(
      CheckShape({.windows = kMaxSeriesValues, .sub_windows = kMaxSeriesValues, .layers = 256, .experts = 4096}).ok());
}

}  // namespace
}  // namespace eplb
