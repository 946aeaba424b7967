#include "client/files/placement_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eplb {
namespace {

using ::testing::HasSubstr;

const std::vector<int> kLayers = {1, 2};

Placement TwoLayers() { return *Placement::Create(2, 2, 4, {0, 1, 1, 0, 1, 1, 0, 1}); }

TEST(PlacementExportTest, VllmIsOneRowPerExpertLayer) {
  EXPECT_EQ(*ExportPlacement(TwoLayers(), EngineFormat::kVllm, {.model_layers = kLayers}),
            "[\n[0,1,1,0],\n[1,1,0,1]\n]\n");
}

TEST(PlacementExportTest, SglangFillsDenseLayers) {
  EXPECT_EQ(*ExportPlacement(TwoLayers(), EngineFormat::kSglang, {.model_layers = kLayers, .hidden_layers = 4}),
            "{\"physical_to_logical_map\": [\n[0,1,0,1],\n[0,1,1,0],\n[1,1,0,1],\n[0,1,0,1]\n]}\n");
}

TEST(PlacementExportTest, SglangEndsWithTheLastExpertLayerByDefault) {
  EXPECT_EQ(*ExportPlacement(TwoLayers(), EngineFormat::kSglang, {.model_layers = kLayers}),
            "{\"physical_to_logical_map\": [\n[0,1,0,1],\n[0,1,1,0],\n[1,1,0,1]\n]}\n");
}

TEST(PlacementExportTest, TensorrtLlmHasWholeNumbersAsKeys) {
  EXPECT_EQ(*ExportPlacement(TwoLayers(), EngineFormat::kTensorrtLlm, {.model_layers = kLayers}),
            "initial_global_assignments:\n  1: [0, 1, 1, 0]\n  2: [1, 1, 0, 1]\nnum_slots: 4\nlayer_updates_per_iter: "
            "0\n");
}

TEST(PlacementExportTest, RefusesWhatAFormatCannotSay) {
  const Placement holes = *Placement::Create(1, 1, 2, {0, -1});
  const std::vector<int> one = {0};
  EXPECT_THAT(std::string(ExportPlacement(holes, EngineFormat::kVllm, {.model_layers = one}).status().message()),
              HasSubstr("slot 1 of layer 0 is empty"));
  EXPECT_THAT(
      std::string(ExportPlacement(TwoLayers(), EngineFormat::kVllmAscend, {.model_layers = kLayers, .num_gpus = 3})
                      .status()
                      .message()),
      HasSubstr("gpus: 3: must divide the 4 slots"));
  EXPECT_THAT(
      std::string(ExportPlacement(TwoLayers(), EngineFormat::kSglang, {.model_layers = kLayers, .hidden_layers = 2})
                      .status()
                      .message()),
      HasSubstr("hidden_layers: 2: must be more than the last expert layer, 2"));
  EXPECT_FALSE(ExportPlacement(TwoLayers(), EngineFormat::kVllm, {.model_layers = one}).ok());
}

TEST(EngineFormatTest, NamesRoundTrip) {
  for (const char* name : {"vllm", "sglang", "vllm-ascend", "tensorrt-llm"}) {
    EXPECT_EQ(EngineFormatName(*EngineFormatFromName(name)), name);
  }
  EXPECT_EQ(EngineFormatFromName("VLLM"), std::nullopt);
}

}  // namespace
}  // namespace eplb
