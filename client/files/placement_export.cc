#include "client/files/placement_export.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr std::pair<EngineFormat, std::string_view> kFormatNames[] = {{EngineFormat::kVllm, "vllm"},
                                                                      {EngineFormat::kSglang, "sglang"},
                                                                      {EngineFormat::kVllmAscend, "vllm-ascend"},
                                                                      {EngineFormat::kTensorrtLlm, "tensorrt-llm"}};

void AppendRow(std::string& out, std::span<const std::int32_t> row, std::string_view separator) {
  out += '[';
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out += separator;
    absl::StrAppend(&out, row[i]);
  }
  out += ']';
}

std::string Vllm(const Placement& placement) {
  std::string out = "[";
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    out += layer == 0 ? "\n" : ",\n";
    AppendJsonRow(out, placement.layer(layer));
  }
  return out + "\n]\n";
}

// SGLang counts every transformer layer and takes no other key; rows of dense layers are never read.
absl::StatusOr<std::string> Sglang(const Placement& placement, const ExportOptions& options) {
  const int last = options.model_layers.back();
  const int hidden_layers = options.hidden_layers == 0 ? last + 1 : options.hidden_layers;
  if (hidden_layers <= last) {
    return FieldErrorStatus("hidden_layers", absl::StrCat(hidden_layers),
                            absl::StrCat("must be more than the last expert layer, ", last));
  }
  std::vector<std::int32_t> dense(static_cast<std::size_t>(placement.num_slots()));
  for (std::size_t slot = 0; slot < dense.size(); ++slot) {
    dense[slot] = static_cast<std::int32_t>(slot % static_cast<std::size_t>(placement.num_experts()));
  }
  std::string out = "{\"physical_to_logical_map\": [";
  int expert_layer = 0;
  for (int layer = 0; layer < hidden_layers; ++layer) {
    out += layer == 0 ? "\n" : ",\n";
    const bool has_experts =
        expert_layer < placement.num_layers() && options.model_layers[static_cast<std::size_t>(expert_layer)] == layer;
    AppendJsonRow(out, has_experts ? placement.layer(expert_layer++) : std::span<const std::int32_t>(dense));
  }
  return out + "\n]}\n";
}

absl::StatusOr<std::string> VllmAscend(const Placement& placement, const ExportOptions& options) {
  const int num_gpus = options.num_gpus;
  if (num_gpus < 1 || placement.num_slots() % num_gpus != 0) {
    return FieldErrorStatus("gpus", absl::StrCat(num_gpus),
                            absl::StrCat("must divide the ", placement.num_slots(), " slots"));
  }
  const auto slots_per_gpu = static_cast<std::size_t>(placement.num_slots() / num_gpus);
  std::string out = absl::StrCat("{\"moe_layer_count\": ", placement.num_layers(), ", \"layer_list\": [");
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    absl::StrAppend(&out, layer == 0 ? "\n" : ",\n", "{\"layer_id\": ", layer, ", \"device_count\": ", num_gpus,
                    ", \"device_list\": [");
    for (int gpu = 0; gpu < num_gpus; ++gpu) {
      absl::StrAppend(&out, gpu == 0 ? "\n" : ",\n", "  {\"device_id\": ", gpu, ", \"device_expert\": ");
      AppendJsonRow(out, placement.layer(layer).subspan(static_cast<std::size_t>(gpu) * slots_per_gpu, slots_per_gpu));
      out += '}';
    }
    out += "]}";
  }
  return out + "\n]}\n";
}

// JSON would turn the layer numbers into strings, so it is written as YAML proper.
std::string TensorrtLlm(const Placement& placement, const ExportOptions& options) {
  std::string out = "initial_global_assignments:\n";
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    absl::StrAppend(&out, "  ", options.model_layers[static_cast<std::size_t>(layer)], ": ");
    AppendRow(out, placement.layer(layer), ", ");
    out += '\n';
  }
  absl::StrAppend(&out, "num_slots: ", placement.num_slots(), "\nlayer_updates_per_iter: 0\n");
  return out;
}

}  // namespace

std::string_view EngineFormatName(EngineFormat format) {
  return std::ranges::find(kFormatNames, format, &std::pair<EngineFormat, std::string_view>::first)->second;
}

std::optional<EngineFormat> EngineFormatFromName(std::string_view name) {
  const auto* found = std::ranges::find(kFormatNames, name, &std::pair<EngineFormat, std::string_view>::second);
  if (found == std::end(kFormatNames)) return std::nullopt;
  return found->first;
}

void AppendJsonRow(std::string& out, std::span<const std::int32_t> row) { AppendRow(out, row, ","); }

absl::StatusOr<std::string> ExportPlacement(const Placement& placement, EngineFormat format,
                                            const ExportOptions& options) {
  const auto empty = std::ranges::find(placement.physical_to_logical(), kEmptySlot);
  if (empty != placement.physical_to_logical().end()) {
    const auto index = empty - placement.physical_to_logical().begin();
    return absl::InvalidArgumentError(absl::StrCat("slot ", index % placement.num_slots(), " of layer ",
                                                   index / placement.num_slots(), " is empty, which ",
                                                   std::string(EngineFormatName(format)), " has no way to say"));
  }
  if (options.model_layers.size() != static_cast<std::size_t>(placement.num_layers())) {
    return FieldErrorStatus("model_layers", absl::StrCat(options.model_layers.size(), " layers"),
                            absl::StrCat("must be ", placement.num_layers()));
  }
  switch (format) {
    case EngineFormat::kVllm:
      return Vllm(placement);
    case EngineFormat::kSglang:
      return Sglang(placement, options);
    case EngineFormat::kVllmAscend:
      return VllmAscend(placement, options);
    case EngineFormat::kTensorrtLlm:
      return TensorrtLlm(placement, options);
  }
  return absl::InternalError("no such format");
}

}  // namespace eplb
