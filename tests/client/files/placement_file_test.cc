#include "client/files/placement_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "client/files/placement_export.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PlacementFileTest, ReadsRows) {
  const auto rows = ParsePlacement("[[0,1,1],[1,0,-1]]");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->num_layers, 2);
  EXPECT_EQ(rows->num_slots, 3);
  EXPECT_THAT(rows->values, ElementsAre(0, 1, 1, 1, 0, -1));
}

TEST(PlacementFileTest, ReadsOurOwnResult) {
  const auto rows = ParsePlacement(R"({"policy": "global", "physical_to_logical": [[0,1]], "expert_count": [[1,1]]})");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->values, ElementsAre(0, 1));
}

TEST(PlacementFileTest, OneFlatRowServesEveryLayer) {
  const auto rows = ParsePlacement("[0, 1, 0]");
  ASSERT_TRUE(rows.ok()) << rows.status();
  const std::vector<int> layers = {3, 4};
  EXPECT_THAT(PlacementForLayers(*rows, layers, 2)->physical_to_logical(), ElementsAre(0, 1, 0, 0, 1, 0));
}

TEST(PlacementFileTest, SglangRowsCountDenseLayers) {
  const auto rows = ParsePlacement(R"({"physical_to_logical_map": [[0,1],[1,0],[0,1]]})");
  ASSERT_TRUE(rows.ok()) << rows.status();
  const std::vector<int> layers = {1, 2};
  EXPECT_THAT(PlacementForLayers(*rows, layers, 2)->physical_to_logical(), ElementsAre(1, 0, 0, 1));
  const std::vector<int> past = {1, 3};
  EXPECT_THAT(std::string(PlacementForLayers(*rows, past, 2).status().message()), HasSubstr("lacks model layer 3"));
}

TEST(PlacementFileTest, ReadsVllmAscendDevices) {
  const auto rows = ParsePlacement(R"({"moe_layer_count": 1, "layer_list": [{"layer_id": 0, "device_count": 2,
    "device_list": [{"device_id": 0, "device_expert": [7,2,0,3,5]}, {"device_id": 1, "device_expert": [6,1,4,7,2]}]}]})");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->num_gpus, 2);
  EXPECT_THAT(rows->values, ElementsAre(7, 2, 0, 3, 5, 6, 1, 4, 7, 2));
}

struct BadPlacement {
  const char* name;
  std::string text;
  const char* error;
};

void PrintTo(const BadPlacement& test, std::ostream* out) { *out << test.name; }

class BadPlacementFileTest : public ::testing::TestWithParam<BadPlacement> {};

TEST_P(BadPlacementFileTest, IsRefusedWithItsPlace) {
  const auto rows = ParsePlacement(GetParam().text);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(rows.status().message()), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadPlacementFileTest,
    ::testing::Values(
        BadPlacement{"empty", "", "line 1, column 1: the JSON ends too early"},
        BadPlacement{"truncated", "[[0,1],\n[1", "line 2, column 3: the JSON ends too early"},
        BadPlacement{"not_json", "[[0,1],\n [x]]", "line 2, column 3: is not valid JSON here"},
        BadPlacement{"trailing", "[[0,1]] 7", "line 1, column 9: is not valid JSON here"},
        BadPlacement{"scalar", "7", "is no placement"}, BadPlacement{"null", "null", "is no placement"},
        BadPlacement{"no_layers", "[]", "0 layers: must be from 1 to 256"},
        BadPlacement{"no_slots", "[[]]", "[0]: 0 slots: must be from 1 to 65536"},
        BadPlacement{"ragged", "[[0,1],[0]]", "[1]: 1 slots: must be 2, as in the first layer"},
        BadPlacement{"other_keys", R"({"layers": []})", "is no placement"},
        BadPlacement{"not_rows", R"({"physical_to_logical": 3})", "physical_to_logical: must be an array"},
        BadPlacement{"row_of_rows", R"({"physical_to_logical": [0, [1]]})",
                     "physical_to_logical[0]: must be an array, is a number"},
        BadPlacement{"text", R"({"physical_to_logical": [[0,"1"]]})",
                     "physical_to_logical[0][1]: a string: must be a whole number"},
        BadPlacement{"fraction", "[[0,0.5]]", "[0][1]: 0.5: must be a whole number from -1 to 4095"},
        BadPlacement{"below", "[[0,1],[0,-2]]", "[1][1]: -2: must be a whole number from -1 to 4095"},
        BadPlacement{"above", "[[0,4096]]", "[0][1]: 4096: must be a whole number"},
        BadPlacement{"huge", "[[0,1000000000000000000000000000000]]", "[0][1]: 1e+30: must be a whole number"},
        BadPlacement{"huge_unsigned", "[[0,18446744073709551615]]", "[0][1]: 18446744073709551615: must be"},
        BadPlacement{"flat_text", R"([0,"a"])", "[1]: a string: must be a whole number"},
        BadPlacement{"deep", std::string(100000, '['), "must nest at most 8 deep"},
        BadPlacement{"double_key", R"({"layer_list": [], "layer_list": []})", "key layer_list is given twice"},
        BadPlacement{"no_layer_list", R"({"layer_list": 1})", "layer_list: must be an array"},
        BadPlacement{"wrong_layer_id", R"({"layer_list": [{"layer_id": 1}]})", "layer_list[0].layer_id: must be 0"},
        BadPlacement{"no_devices", R"({"layer_list": [{"layer_id": 0}]})",
                     "layer_list[0].device_list: must be an array"},
        BadPlacement{"layer_is_number", R"({"layer_list": [3]})", "layer_list[0].layer_id: must be 0"},
        BadPlacement{"uneven_devices", R"({"layer_list": [{"layer_id": 0, "device_list": [
            {"device_id": 0, "device_expert": [0,1]}, {"device_id": 1, "device_expert": [0]}]}]})",
                     "layer_list[0].device_list[1].device_expert: 1 slots: must be as many on every device"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(PlacementForLayersTest, RefusesRowsThatAreNoPlacementOfTheModel) {
  const auto rows = *ParsePlacement("[[0,1],[1,0]]");
  const std::vector<int> one = {0};
  const std::vector<int> two = {0, 1};
  EXPECT_THAT(std::string(PlacementForLayers(rows, one, 2).status().message()), HasSubstr("has 2 layers: must be 1"));
  EXPECT_THAT(std::string(PlacementForLayers(rows, two, 3).status().message()), HasSubstr("must hold every expert"));
  EXPECT_THAT(std::string(PlacementForLayers(rows, two, 1).status().message()),
              HasSubstr("must be from -1 (empty) to 0"));
}

TEST(ReadPlacementFileTest, NamesTheFile) {
  EXPECT_EQ(ReadPlacementFile("/no/such/file").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadPlacementFile("/no/such/file").status().message()),
              HasSubstr("/no/such/file: cannot open"));
}

Placement RandomPlacement(std::mt19937& random, int layers, int experts, int slots) {
  std::vector<std::int32_t> values;
  for (int layer = 0; layer < layers; ++layer) {
    std::vector<std::int32_t> row(static_cast<std::size_t>(slots));
    std::iota(row.begin(), row.end(), 0);
    for (auto& value : row) value %= experts;
    std::shuffle(row.begin(), row.end(), random);
    values.insert(values.end(), row.begin(), row.end());
  }
  return *Placement::Create(layers, experts, slots, std::move(values));
}

class PlacementRoundTripTest : public ::testing::TestWithParam<std::string> {};

// Property: what is written for an engine reads back as the same placement.
TEST_P(PlacementRoundTripTest, ExportThenReadIsTheSame) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    const int gpus = 1 + static_cast<int>(random() % 6);
    const int slots = gpus * (1 + static_cast<int>(random() % 5));
    const int experts = 1 + static_cast<int>(random() % static_cast<unsigned>(slots));
    const int layers = 1 + static_cast<int>(random() % 4);
    const Placement placement = RandomPlacement(random, layers, experts, slots);
    std::vector<int> model_layers(static_cast<std::size_t>(layers));
    std::iota(model_layers.begin(), model_layers.end(), 3);
    const auto text = ExportPlacement(placement, *EngineFormatFromName(GetParam()),
                                      {.model_layers = model_layers, .hidden_layers = 9, .num_gpus = gpus});
    ASSERT_TRUE(text.ok()) << text.status();
    const auto rows = ParsePlacement(*text);
    ASSERT_TRUE(rows.ok()) << rows.status() << *text;
    const auto again = PlacementForLayers(*rows, model_layers, 0);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, placement);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, PlacementRoundTripTest, ::testing::Values("vllm", "sglang", "vllm-ascend"),
                         [](const auto& test) { return test.param == "vllm-ascend" ? "vllm_ascend" : test.param; });

}  // namespace
}  // namespace eplb
