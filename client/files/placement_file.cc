#include "client/files/placement_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/files/bounded_json.h"
#include "client/files/file_io.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

using Json = nlohmann::json;

// Room for every slot of every layer, for each layer's replica counts, and for the arrays around them.
constexpr JsonBounds kBounds = {.max_depth = 8,
                                .max_values = std::int64_t{kMaxLayers} * (kMaxSlots + kMaxExperts + kMaxGpus * 4)};

absl::Status ErrorAt(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(path.empty() ? what : absl::StrCat(path, ": ", what));
}

absl::Status CheckSize(const std::string& path, std::size_t size, int high, std::string_view what) {
  if (size >= 1 && size <= static_cast<std::size_t>(high)) return absl::OkStatus();
  return ErrorAt(path, absl::StrCat(size, " ", std::string(what), ": must be from 1 to ", high));
}

// A whole number from low to high.
absl::StatusOr<std::int32_t> Integer(const Json& value, const std::string& path, std::int32_t low, std::int32_t high) {
  if (value.is_number_integer()) {
    const bool too_large = value.is_number_unsigned() && value.get<std::uint64_t>() > 0x7fffffff;
    if (!too_large && value.get<std::int64_t>() >= low && value.get<std::int64_t>() <= high) {
      return value.get<std::int32_t>();
    }
  }
  const std::string found = value.is_number() ? QuoteForError(value.dump()) : std::string(JsonKind(value));
  return ErrorAt(path, absl::StrCat(found, ": must be a whole number from ", low, " to ", high));
}

// Appends one row of slots.
absl::Status AppendRow(const Json& row, const std::string& path, PlacementRows& rows) {
  for (std::size_t slot = 0; slot < row.size(); ++slot) {
    const Json& value = row[slot];
    // The path of a value is only put together where it is needed.
    if (value.is_number_unsigned() && value.get<std::uint64_t>() < kMaxExperts) [[likely]] {
      rows.values.push_back(value.get<std::int32_t>());
      continue;
    }
    EPLB_ASSIGN_OR_RETURN(const std::int32_t expert,
                          Integer(value, absl::StrCat(path, "[", slot, "]"), kEmptySlot, kMaxExperts - 1));
    rows.values.push_back(expert);
  }
  return absl::OkStatus();
}

absl::StatusOr<PlacementRows> ParseMatrix(const Json& matrix, const std::string& path, LayerNumbering numbering) {
  if (!matrix.is_array()) return ErrorAt(path, "must be an array of one array per layer");
  EPLB_RETURN_IF_ERROR(CheckSize(path, matrix.size(), kMaxLayers, "layers"));
  PlacementRows rows{.num_layers = static_cast<int>(matrix.size()), .numbering = numbering};
  for (std::size_t layer = 0; layer < matrix.size(); ++layer) {
    const std::string row_path = absl::StrCat(path, "[", layer, "]");
    if (!matrix[layer].is_array()) {
      return ErrorAt(row_path, absl::StrCat("must be an array, is ", std::string(JsonKind(matrix[layer]))));
    }
    EPLB_RETURN_IF_ERROR(CheckSize(row_path, matrix[layer].size(), kMaxSlots, "slots"));
    if (matrix[layer].size() != matrix[0].size()) {
      return ErrorAt(row_path, absl::StrCat(matrix[layer].size(), " slots: must be ", matrix[0].size(),
                                            ", as in the first layer"));
    }
    EPLB_RETURN_IF_ERROR(AppendRow(matrix[layer], row_path, rows));
  }
  rows.num_slots = static_cast<int>(matrix[0].size());
  return rows;
}

absl::StatusOr<PlacementRows> ParseSharedRow(const Json& row) {
  EPLB_RETURN_IF_ERROR(CheckSize("", row.size(), kMaxSlots, "slots"));
  PlacementRows rows{.num_layers = 1, .num_slots = static_cast<int>(row.size()), .numbering = LayerNumbering::kShared};
  EPLB_RETURN_IF_ERROR(AppendRow(row, "", rows));
  return rows;
}

// Checks that entry `index` of a list says so itself under `key`: engines write their lists in order.
absl::Status CheckId(const Json& entry, const std::string& path, const char* key, std::size_t index) {
  const auto found = entry.find(key);
  if (found != entry.end() && found->is_number_unsigned() && found->get<std::uint64_t>() == index) {
    return absl::OkStatus();
  }
  return ErrorAt(absl::StrCat(path, ".", key), absl::StrCat("must be ", index));
}

absl::StatusOr<const Json*> Member(const Json& object, const std::string& path, const char* key, int high) {
  const auto found = object.find(key);
  const std::string member_path = path.empty() ? key : absl::StrCat(path, ".", key);
  if (found == object.end() || !found->is_array()) return ErrorAt(member_path, "must be an array");
  EPLB_RETURN_IF_ERROR(CheckSize(member_path, found->size(), high, "entries"));
  return &*found;
}

// One layer of vLLM-Ascend's file: a list of devices, each with a list of experts.
absl::Status ParseDevices(const Json& layer, const std::string& path, PlacementRows& rows) {
  EPLB_ASSIGN_OR_RETURN(const Json* devices, Member(layer, path, "device_list", kMaxGpus));
  const std::string list_path = path + ".device_list";
  const auto num_gpus = static_cast<int>(devices->size());
  if (rows.num_gpus != 0 && rows.num_gpus != num_gpus) {
    return ErrorAt(list_path, absl::StrCat(num_gpus, " devices: must be ", rows.num_gpus, ", as in the first layer"));
  }
  rows.num_gpus = num_gpus;
  std::size_t slots_per_gpu = 0;
  for (std::size_t device = 0; device < devices->size(); ++device) {
    const Json& entry = (*devices)[device];
    const std::string device_path = absl::StrCat(list_path, "[", device, "]");
    EPLB_RETURN_IF_ERROR(CheckId(entry, device_path, "device_id", device));
    EPLB_ASSIGN_OR_RETURN(const Json* experts, Member(entry, device_path, "device_expert", kMaxSlots));
    if (device == 0) slots_per_gpu = experts->size();
    if (experts->size() != slots_per_gpu || devices->size() * slots_per_gpu > kMaxSlots) {
      return ErrorAt(
          device_path + ".device_expert",
          absl::StrCat(experts->size(), " slots: must be as many on every device, and at most ", kMaxSlots, " in all"));
    }
    EPLB_RETURN_IF_ERROR(AppendRow(*experts, device_path + ".device_expert", rows));
  }
  return absl::OkStatus();
}

absl::StatusOr<PlacementRows> ParseAscend(const Json& file) {
  EPLB_ASSIGN_OR_RETURN(const Json* layers, Member(file, "", "layer_list", kMaxLayers));
  PlacementRows rows{.num_layers = static_cast<int>(layers->size())};
  for (std::size_t layer = 0; layer < layers->size(); ++layer) {
    const Json& entry = (*layers)[layer];
    const std::string path = absl::StrCat("layer_list[", layer, "]");
    const std::size_t before = rows.values.size();
    EPLB_RETURN_IF_ERROR(CheckId(entry, path, "layer_id", layer));
    EPLB_RETURN_IF_ERROR(ParseDevices(entry, path, rows));
    const std::size_t slots = rows.values.size() - before;
    if (layer == 0) rows.num_slots = static_cast<int>(slots);
    if (slots != static_cast<std::size_t>(rows.num_slots)) {
      return ErrorAt(path, absl::StrCat(slots, " slots: must be ", rows.num_slots, ", as in the first layer"));
    }
  }
  return rows;
}

// The row of the file for the i-th expert layer.
absl::StatusOr<std::vector<int>> ChooseRows(const PlacementRows& rows, std::span<const int> model_layers) {
  std::vector<int> chosen;
  const auto num_layers = static_cast<int>(model_layers.size());
  const bool by_index = rows.numbering == LayerNumbering::kHidden && rows.num_layers > num_layers;
  if (rows.numbering != LayerNumbering::kShared && rows.num_layers != num_layers && !by_index) {
    return absl::InvalidArgumentError(
        absl::StrCat("the placement has ", rows.num_layers, " layers: must be ", num_layers));
  }
  for (int i = 0; i < num_layers; ++i) {
    const int row = rows.numbering == LayerNumbering::kShared ? 0
                    : by_index                                ? model_layers[static_cast<std::size_t>(i)]
                                                              : i;
    if (row >= rows.num_layers) {
      return absl::InvalidArgumentError(
          absl::StrCat("the placement has ", rows.num_layers, " transformer layers: it lacks model layer ", row));
    }
    chosen.push_back(row);
  }
  return chosen;
}

}  // namespace

absl::StatusOr<PlacementRows> ParsePlacement(std::string_view json) {
  EPLB_ASSIGN_OR_RETURN(const Json file, ParseBoundedJson(json, kBounds));
  if (file.is_array()) {
    const bool flat = !file.empty() && file[0].is_number();
    return flat ? ParseSharedRow(file) : ParseMatrix(file, "", LayerNumbering::kOrdinal);
  }
  if (file.contains("physical_to_logical")) {
    return ParseMatrix(file["physical_to_logical"], "physical_to_logical", LayerNumbering::kOrdinal);
  }
  if (file.contains("physical_to_logical_map")) {
    return ParseMatrix(file["physical_to_logical_map"], "physical_to_logical_map", LayerNumbering::kHidden);
  }
  if (file.contains("layer_list")) return ParseAscend(file);
  return absl::InvalidArgumentError(
      "is no placement: must be [[...]], or have the key physical_to_logical, physical_to_logical_map or layer_list");
}

absl::StatusOr<PlacementRows> ReadPlacementFile(const std::string& path) {
  EPLB_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxPlacementFileBytes));
  absl::StatusOr<PlacementRows> rows = ParsePlacement(text);
  if (!rows.ok()) return AtPath(path, rows.status());
  return rows;
}

absl::StatusOr<Placement> PlacementForLayers(const PlacementRows& rows, std::span<const int> model_layers,
                                             int num_experts) {
  EPLB_ASSIGN_OR_RETURN(const std::vector<int> chosen, ChooseRows(rows, model_layers));
  std::vector<std::int32_t> values;
  values.reserve(chosen.size() * static_cast<std::size_t>(rows.num_slots));
  for (int row : chosen) {
    const auto begin = rows.values.begin() + std::ptrdiff_t{row} * rows.num_slots;
    values.insert(values.end(), begin, begin + rows.num_slots);
  }
  if (num_experts == 0 && !values.empty()) num_experts = *std::ranges::max_element(values) + 1;
  return Placement::Create(static_cast<int>(chosen.size()), num_experts, rows.num_slots, std::move(values));
}

}  // namespace eplb
