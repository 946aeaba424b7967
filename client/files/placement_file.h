#ifndef EPLB_CLIENT_FILES_PLACEMENT_FILE_H_
#define EPLB_CLIENT_FILES_PLACEMENT_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/placement.h"

namespace eplb {

// Largest placement file that is read.
inline constexpr std::int64_t kMaxPlacementFileBytes = std::int64_t{128} << 20;

// How the layers of a placement file are numbered.
enum class LayerNumbering {
  kOrdinal,  // the i-th row is the i-th expert layer
  kHidden,   // the i-th row is transformer layer i, dense ones included
  kShared,   // one row for every layer
};

// Rows of slots as they stand in a file, shape-checked but not yet known to be a placement for any model.
struct PlacementRows {
  int num_layers = 0;
  int num_slots = 0;
  std::vector<std::int32_t> values = {};  // [num_layers, num_slots], each in [-1, kMaxExperts)
  LayerNumbering numbering = LayerNumbering::kOrdinal;
  int num_gpus = 0;  // 0 where the file does not say

  bool operator==(const PlacementRows&) const = default;
};

// Reads any of
//   {"physical_to_logical": [[...]], ...}       what eplbctl writes
//   [[...], [...]] or [...]                     vLLM; one flat list is shared by all layers
//   {"physical_to_logical_map": [[...]]}        SGLang, a row per transformer layer
//   {"moe_layer_count": .., "layer_list": ..}   vLLM-Ascend
// INVALID_ARGUMENT names line and column, or the path of the value, as in "physical_to_logical[3][17]".
absl::StatusOr<PlacementRows> ParsePlacement(std::string_view json);

// The same from a file; errors name its path.
absl::StatusOr<PlacementRows> ReadPlacementFile(const std::string& path);

// The placement of a model's expert layers: model_layers are their absolute indices, by which rows that number all
// transformer layers are picked when there are more of them. num_experts of 0 takes what the rows hold.
// INVALID_ARGUMENT where layers are missing, or the rows are no placement of so many experts.
absl::StatusOr<Placement> PlacementForLayers(const PlacementRows& rows, std::span<const int> model_layers,
                                             int num_experts);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_PLACEMENT_FILE_H_
