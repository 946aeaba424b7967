#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "client/files/placement_export.h"
#include "client/files/placement_file.h"
#include "server/base/check.h"
#include "server/model/limits.h"

// Any bytes either are refused or are rows of the stated shape; where those are a placement without holes, it is
// exported and read back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto rows = eplb::ParsePlacement(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!rows.ok()) return 0;
  EPLB_CHECK(rows->num_layers >= 1 && rows->num_layers <= eplb::kMaxLayers);
  EPLB_CHECK(rows->num_slots >= 1 && rows->num_slots <= eplb::kMaxSlots);
  EPLB_CHECK(rows->values.size() ==
             static_cast<std::size_t>(rows->num_layers) * static_cast<std::size_t>(rows->num_slots));
  std::vector<int> model_layers(static_cast<std::size_t>(rows->num_layers));
  std::iota(model_layers.begin(), model_layers.end(), 0);
  const auto placement = eplb::PlacementForLayers(*rows, model_layers, /*num_experts=*/0);
  if (!placement.ok()) return 0;
  const auto text = eplb::ExportPlacement(*placement, eplb::EngineFormat::kSglang, {.model_layers = model_layers});
  if (!text.ok()) return 0;
  const auto again = eplb::ParsePlacement(*text);
  EPLB_CHECK(again.ok());
  EPLB_CHECK(again->values == rows->values);
  return 0;
}
