#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/output.h"
#include "client/files/file_io.h"
#include "client/files/load_series.h"
#include "client/files/placement_export.h"
#include "client/files/placement_file.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr char kConvertFooter[] =
    "Examples:\n"
    "  eplbctl convert --input plan.json --to sglang --first-layer 3 --output init_expert_location.json\n"
    "  eplbctl convert --input plan.json --to tensorrt-llm --first-layer 3 --output moe_load_balancer.yaml\n"
    "  eplbctl convert --input plan.json --to vllm-ascend --gpus 32 --output expert_map.json\n\n"
    "Input is what eplbctl, vLLM, SGLang or vLLM-Ascend wrote. SGLang's has a row for each transformer layer; those\n"
    "before --first-layer are dense and left out, and written again with the contiguous layout.";

struct ConvertFlags {
  std::string input;
  std::string to;
  std::string output;
  int first_layer = 0;
  int layers = 0;         // 0: all that the file has
  int hidden_layers = 0;  // 0: up to the last expert layer
  int gpus = 0;           // 0: as the input says
};

// The absolute indices of the expert layers that the file holds.
std::vector<int> ModelLayers(const ConvertFlags& flags, const PlacementRows& rows) {
  const int all =
      rows.numbering == LayerNumbering::kHidden ? std::max(rows.num_layers - flags.first_layer, 0) : rows.num_layers;
  std::vector<int> model_layers(static_cast<std::size_t>(flags.layers == 0 ? all : flags.layers));
  std::iota(model_layers.begin(), model_layers.end(), flags.first_layer);
  return model_layers;
}

absl::StatusOr<std::string> Convert(const ConvertFlags& flags, const PlacementRows& rows) {
  const std::vector<int> model_layers = ModelLayers(flags, rows);
  EPLB_ASSIGN_OR_RETURN(const Placement placement, PlacementForLayers(rows, model_layers, /*num_experts=*/0));
  return ExportPlacement(placement, *EngineFormatFromName(flags.to),
                         {.model_layers = model_layers,
                          .hidden_layers = flags.hidden_layers,
                          .num_gpus = flags.gpus == 0 ? rows.num_gpus : flags.gpus});
}

absl::Status RunConvert(const ConvertFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(const PlacementRows rows, ReadPlacementFile(flags.input));
  absl::StatusOr<std::string> text = Convert(flags, rows);
  if (!text.ok()) return AtPath(flags.input, text.status());
  return flags.output.empty() ? PrintText(*text) : WriteFileAtomically(flags.output, *text);
}

}  // namespace

Command AddConvertCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("convert", "Rewrite a placement for an engine");
  app->footer(kConvertFooter);
  const auto flags = std::make_shared<ConvertFlags>();
  app->add_option("--input", flags->input, "Placement to convert")->required()->type_name("FILE");
  app->add_option("--to", flags->to, "Engine to write for")
      ->required()
      ->check(CLI::IsMember({"vllm", "sglang", "vllm-ascend", "tensorrt-llm"}).description(""))
      ->type_name("vllm|sglang|vllm-ascend|tensorrt-llm");
  app->add_option("--first-layer", flags->first_layer, "Model layer of the first expert layer [0]")
      ->type_name("N")
      ->check(InRange(0, static_cast<int>(kMaxModelLayer)));
  app->add_option("--layers", flags->layers, "Expert layers, where the input has one row for all")
      ->type_name("N")
      ->check(InRange(1, kMaxLayers));
  app->add_option("--hidden-layers", flags->hidden_layers, "Transformer layers of the model, for sglang")
      ->type_name("N")
      ->check(InRange(1, static_cast<int>(kMaxModelLayer) + 1));
  app->add_option("--gpus", flags->gpus, "GPUs, for vllm-ascend")->type_name("N")->check(InRange(1, kMaxGpus));
  app->add_option("--output", flags->output, "Write to this file, whole or not at all")->type_name("FILE");
  return {.app = app, .run = [flags] { return RunConvert(*flags); }};
}

}  // namespace eplb
