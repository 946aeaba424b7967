#include <memory>
#include <sstream>
#include <string>

#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/output.h"
#include "client/files/file_io.h"
#include "client/files/generated_loads.h"
#include "client/files/load_csv.h"
#include "client/files/load_npy.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr char kGenerateFooter[] =
    "Examples:\n"
    "  eplbctl generate --layers 58 --experts 256 --first-layer 3 --output loads.csv      (the shape of DeepSeek-V3)\n"
    "  eplbctl generate --layers 94 --experts 128 --windows 16 --sub-windows 8 --seed 7 --output series.npy\n\n"
    "Each expert of each layer has a popularity drawn from a lognormal distribution; windows draw around it. Files\n"
    "that end in .npy are NumPy arrays, all others CSV. Equal flags give equal bytes.";

struct GenerateFlags {
  GeneratedLoads shape;
  int first_layer = 0;
  std::string output;
};

absl::Status RunGenerate(const GenerateFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(LoadSeries series, GenerateLoads(flags.shape));
  series = std::move(series).NumberedFrom(flags.first_layer);
  std::ostringstream text;
  const bool npy = flags.output.ends_with(".npy");
  EPLB_RETURN_IF_ERROR(npy ? WriteLoadNpy(series, text) : WriteLoadCsv(series, text));
  return flags.output.empty() ? PrintText(text.str()) : WriteFileAtomically(flags.output, text.str());
}

}  // namespace

Command AddGenerateCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("generate", "Make up loads to try things with");
  app->footer(kGenerateFooter);
  const auto flags = std::make_shared<GenerateFlags>();
  GeneratedLoads& shape = flags->shape;
  app->add_option("--layers", shape.layers, "Expert layers")->check(InRange(1, kMaxLayers))->capture_default_str();
  app->add_option("--experts", shape.experts, "Logical experts of each layer")
      ->check(InRange(1, kMaxExperts))
      ->capture_default_str();
  app->add_option("--windows", shape.windows, "Windows")->check(InRange(1, 1 << 20))->capture_default_str();
  app->add_option("--sub-windows", shape.sub_windows, "Sub-windows of each window (NumPy arrays)")
      ->check(InRange(1, 1 << 20))
      ->capture_default_str();
  app->add_option("--tokens", shape.tokens_per_expert, "Mean tokens of an expert in a sub-window")
      ->check(InRange(1, 1000000))
      ->capture_default_str();
  app->add_option("--sigma", shape.sigma, "Spread of the popularities: 0 is uniform")
      ->check(InRange(0.0, 4.0))
      ->capture_default_str();
  app->add_option("--noise", shape.noise, "Spread of a window around the popularities")
      ->check(InRange(0.0, 4.0))
      ->capture_default_str();
  app->add_option("--seed", shape.seed, "Another seed, other loads")->capture_default_str();
  app->add_option("--first-layer", flags->first_layer, "Model layer of the first row (CSV)")
      ->check(InRange(0, 60000))
      ->capture_default_str();
  app->add_option("--output", flags->output, "Write to this file, whole or not at all")->type_name("FILE");
  return {.app = app, .run = [flags] { return RunGenerate(*flags); }};
}

}  // namespace eplb
