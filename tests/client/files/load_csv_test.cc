#include "client/files/load_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <sstream>
#include <string>

#include "client/files/generated_loads.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<LoadSeries> Read(const std::string& text) {
  std::istringstream input(text);
  return ReadLoadCsv(input);
}

TEST(LoadCsvTest, ReadsWindowsOfAbsoluteLayers) {
  const auto series = Read(
      "# tokens per expert\n"
      "window,layer,e0,e1,e2\n"
      "0,3,1,2,3\n"
      "0,4,4,5,6\n"
      "\n"
      "1,3,10,20,30\n"
      "# in between\n"
      "1,4,40,50,60\n");
  ASSERT_TRUE(series.ok()) << series.status();
  EXPECT_EQ(series->shape(), (LoadSeriesShape{.windows = 2, .sub_windows = 1, .layers = 2, .experts = 3}));
  EXPECT_THAT(series->model_layers(), ElementsAre(3, 4));
  EXPECT_THAT(series->Window(1)->values(), ElementsAre(10, 20, 30, 40, 50, 60));
  EXPECT_THAT(series->Sum()->values(), ElementsAre(11, 22, 33, 44, 55, 66));
}

TEST(LoadCsvTest, RowsMayComeInAnyOrderAndWindowsMayHaveAnyNumbers) {
  const auto series = Read("window,layer,e0\n7,5,4\n2,9,1\n7,9,3\n2,5,2\n");
  ASSERT_TRUE(series.ok()) << series.status();
  EXPECT_THAT(series->window_numbers(), ElementsAre(2, 7));
  EXPECT_THAT(series->model_layers(), ElementsAre(5, 9));
  EXPECT_THAT(series->Window(0)->values(), ElementsAre(2, 1));
  EXPECT_THAT(series->Window(*series->FindWindow(7))->values(), ElementsAre(4, 3));
}

TEST(LoadCsvTest, AcceptsWhatSpreadsheetsWrite) {
  const auto series = Read("\xEF\xBB\xBFwindow, layer, e0, e1\r\n0, 0, 1.5, 2e3\r\n");
  ASSERT_TRUE(series.ok()) << series.status();
  EXPECT_THAT(series->Sum()->values(), ElementsAre(1.5, 2000));
}

TEST(LoadCsvTest, AFileWithoutALastNewlineIsWhole) {
  const auto series = Read("window,layer,e0\n0,0,12");
  ASSERT_TRUE(series.ok()) << series.status();
  EXPECT_THAT(series->Sum()->values(), ElementsAre(12));
}

struct BadCsv {
  const char* name;
  std::string text;
  const char* error;
};

void PrintTo(const BadCsv& test, std::ostream* out) { *out << test.name; }

class BadLoadCsvTest : public ::testing::TestWithParam<BadCsv> {};

TEST_P(BadLoadCsvTest, IsRefusedWithItsPlace) {
  const auto series = Read(GetParam().text);
  EXPECT_EQ(series.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(series.status().message()), HasSubstr(GetParam().error));
}

std::string Rows(const std::string& rows) { return "window,layer,e0,e1\n" + rows; }

INSTANTIATE_TEST_SUITE_P(
    Cases, BadLoadCsvTest,
    ::testing::Values(
        BadCsv{"empty", "", "holds no header"}, BadCsv{"comments_only", "# nothing\n\n", "holds no header"},
        BadCsv{"header_only", Rows(""), "holds no rows"},
        BadCsv{"header_without_experts", "window,layer\n",
               "line 1: the header must be window,layer,e0,e1,...: it names"},
        BadCsv{"header_misnamed", "window,layer,e0,x\n", "line 1, column 4 (e1): x: the header must be"},
        BadCsv{"no_header", "0,3,1,2\n", "line 1, column 1 (window): 0: the header must be"},
        BadCsv{"short_row", Rows("0,3,1\n"), "line 2: has only 3 columns where the header has 4"},
        BadCsv{"shortest_row", Rows("0\n"), "line 2: has only 1 column where the header has 4"},
        BadCsv{"long_row", Rows("0,3,1,2,3\n"), "line 2: has more columns where the header has 4"},
        BadCsv{"negative_load", Rows("0,3,1,2\n0,4,1,-2\n"), "line 3, column 4 (e1): -2: must be at least 0"},
        BadCsv{"not_a_number", Rows("0,3,nan,2\n"), "line 2, column 3 (e0): nan: must be finite"},
        BadCsv{"infinite", Rows("0,3,1,inf\n"), "line 2, column 4 (e1): inf: must be finite"},
        BadCsv{"overflow", Rows("0,3,1e999,2\n"), "line 2, column 3 (e0): 1e999: does not fit a double"},
        BadCsv{"too_large", Rows("0,3,1e300,2\n"), "line 2, column 3 (e0): 1e300: must be at most 2^53"},
        BadCsv{"text", Rows("0,3,1,two\n"), "line 2, column 4 (e1): two: must be a number"},
        BadCsv{"hexadecimal", Rows("0,3,1,0x10\n"), "line 2, column 4 (e1): 0x10: must be a number"},
        BadCsv{"empty_field", Rows("0,3,,2\n"), "line 2, column 3 (e0): empty: must be a number"},
        BadCsv{"control_characters", Rows("0,3,\x1b[31m,2\n"), "line 2, column 3 (e0): ?[31m: must be a number"},
        BadCsv{"fractional_window", Rows("0.5,3,1,2\n"), "line 2, column 1 (window): 0.5: must be a whole number"},
        BadCsv{"negative_window", Rows("-1,3,1,2\n"), "line 2, column 1 (window): -1: must be a whole number"},
        BadCsv{"huge_window", Rows("99999999999999999999,3,1,2\n"), "line 2, column 1 (window): 99999999999999999999"},
        BadCsv{"negative_layer", Rows("0,-3,1,2\n"), "line 2, column 2 (layer): -3: must be a whole number from 0 to"},
        BadCsv{"duplicate", Rows("0,3,1,2\n0,4,1,2\n0,3,1,2\n"),
               "line 4: window 0 layer 3 was given in line 2 already"},
        BadCsv{"missing_layer", Rows("0,3,1,2\n0,4,1,2\n1,4,1,2\n"), "window 1 lacks layer 3, which window 0 has"},
        BadCsv{"truncated_window", Rows("0,3,1,2\n0,4,1,2\n1,3,1,2\n"), "window 1 lacks layer 4, which window 0 has"},
        BadCsv{"extra_layer", Rows("0,3,1,2\n1,3,1,2\n1,4,1,2\n"),
               "line 4: window 1 has layer 4, which window 0 lacks"},
        BadCsv{"endless_line", std::string(kMaxCsvLineBytes + 1, '0'), "line 1: must be at most 1048576 bytes long"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(LoadCsvTest, MoreExpertsThanTheLimitAreRefused) {
  std::string header = "window,layer";
  for (int expert = 0; expert <= 4096; ++expert) header += ",e" + std::to_string(expert);
  EXPECT_THAT(std::string(Read(header + "\n").status().message()), HasSubstr("line 1: must have at most 4096 experts"));
}

TEST(LoadCsvTest, MoreLayersThanTheLimitAreRefused) {
  std::string text = "window,layer,e0\n";
  for (int layer = 0; layer <= 256; ++layer) text += "0," + std::to_string(layer) + ",1\n";
  EXPECT_THAT(std::string(Read(text).status().message()), HasSubstr("layers: 257: must be from 1 to 256"));
}

class LoadCsvRoundTripTest : public ::testing::TestWithParam<int> {};

// Property: what is written reads back as the same series.
TEST_P(LoadCsvRoundTripTest, WriteThenReadIsTheSame) {
  const int seed = GetParam();
  const auto series = GenerateLoads({.windows = 1 + seed % 3,
                                     .layers = 1 + seed % 7,
                                     .experts = 1 + seed * 5 % 40,
                                     .tokens_per_expert = seed % 2 == 0 ? 3 : 100000,
                                     .seed = static_cast<std::uint64_t>(seed)});
  ASSERT_TRUE(series.ok());
  std::stringstream file;
  ASSERT_TRUE(WriteLoadCsv(*series, file).ok());
  const auto again = ReadLoadCsv(file);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *series);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LoadCsvRoundTripTest, ::testing::Range(0, 20));

TEST(LoadCsvTest, FractionsSurviveTheRoundTrip) {
  const auto series = Read("window,layer,e0,e1\n4,3,0.1,1e-300\n5,3,9007199254740992,0.30000000000000004\n");
  ASSERT_TRUE(series.ok());
  std::stringstream file;
  ASSERT_TRUE(WriteLoadCsv(*series, file).ok());
  EXPECT_EQ(*ReadLoadCsv(file), *series);
}

}  // namespace
}  // namespace eplb
