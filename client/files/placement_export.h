#ifndef EPLB_CLIENT_FILES_PLACEMENT_EXPORT_H_
#define EPLB_CLIENT_FILES_PLACEMENT_EXPORT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/model/placement.h"

namespace eplb {

// The engines whose placement files can be written.
enum class EngineFormat {
  kVllm,         // [[...], ...]: one row per expert layer
  kSglang,       // {"physical_to_logical_map": [[...], ...]}: one row per transformer layer, dense ones filled in
  kVllmAscend,   // expert_map.json: device lists per expert layer
  kTensorrtLlm,  // moe_load_balancer.yaml: rows by absolute layer index
};

// "vllm", "sglang", "vllm-ascend", "tensorrt-llm".
std::string_view EngineFormatName(EngineFormat format);
std::optional<EngineFormat> EngineFormatFromName(std::string_view name);

// What a file says besides the placement.
struct ExportOptions {
  std::span<const int> model_layers;  // [layers] absolute index of each expert layer, rising
  int hidden_layers = 0;              // transformer layers of the model (SGLang); 0: the last expert layer is the last
  int num_gpus = 0;                   // devices (vLLM-Ascend); slots must be a multiple
};

// The text of a placement file. INVALID_ARGUMENT for what the engine's format cannot say: empty slots, slots that are
// not a multiple of GPUs, layers past the model's.
absl::StatusOr<std::string> ExportPlacement(const Placement& placement, EngineFormat format,
                                            const ExportOptions& options);

// Appends "[1,2,3]".
void AppendJsonRow(std::string& out, std::span<const std::int32_t> row);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_PLACEMENT_EXPORT_H_
