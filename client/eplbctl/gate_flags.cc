#include "client/eplbctl/gate_flags.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/flag_checks.h"

namespace eplb {
namespace {

constexpr double kMaxSeconds = 1e9;
constexpr double kMinBandwidth = 1.0;

}  // namespace

std::vector<CLI::Option*> GateFlags::AddMeasuresTo(CLI::App& app) {
  const PlanSettings defaults;
  std::vector<CLI::Option*> options;
  const auto add = [&](const char* name, std::optional<double>& value, const char* unit, const std::string& help,
                       double initial, double low, double high) {
    options.push_back(app.add_option(name, value, absl::StrCat(help, " [", initial, "]"))
                          ->type_name(unit)
                          ->check(InRange(low, high))
                          ->group("Gate"));
  };
  add("--horizon", horizon_seconds_, "SECONDS", "Time over which a placement pays back",
      absl::ToDoubleSeconds(defaults.horizon), 0.001, kMaxSeconds);
  add("--hysteresis", hysteresis_, "RATIO", "How far the gain must exceed the cost", defaults.hysteresis_ratio, 0.0,
      kMaxHysteresisRatio);
  add("--intra-node-bandwidth", intra_node_, "BYTES/S", "What a GPU receives from its own node",
      defaults.intra_node_bytes_per_second, kMinBandwidth, kMaxLinkBytesPerSecond);
  add("--inter-node-bandwidth", inter_node_, "BYTES/S", "What a GPU receives from another node",
      defaults.inter_node_bytes_per_second, kMinBandwidth, kMaxLinkBytesPerSecond);
  add("--expert-time-ratio", expert_time_ratio_, "RATIO", "Part of the time that is spent in expert layers",
      defaults.expert_time_ratio, 1e-6, 1.0);
  add("--min-balancedness", min_balancedness_, "RATIO", "Leave layers alone that are this balanced",
      defaults.min_balancedness, 0.0, 1.0);
  return options;
}

void GateFlags::AddTo(CLI::App& app) {
  app.add_flag("--no-gate", disabled_, "Make every move that gains, whatever its transfers cost")->group("Gate");
  AddMeasuresTo(app);
}

void GateFlags::AddOptionalTo(CLI::App& app) {
  CLI::Option* gate =
      app.add_flag("--gate", requested_, "Make only moves that gain more than their transfers cost (needs --current)")
          ->needs(app.get_option("--current"))
          ->group("Gate");
  for (CLI::Option* option : AddMeasuresTo(app)) option->needs(gate);
}

PlanOverrides GateFlags::Overrides() const {
  PlanOverrides overrides{.gate_disabled = disabled_,
                          .intra_node_bytes_per_second = intra_node_,
                          .inter_node_bytes_per_second = inter_node_,
                          .hysteresis_ratio = hysteresis_,
                          .expert_time_ratio = expert_time_ratio_,
                          .min_balancedness = min_balancedness_};
  if (horizon_seconds_) overrides.horizon = absl::Seconds(*horizon_seconds_);
  return overrides;
}

std::optional<PlanOverrides> GateFlags::Requested() const {
  if (!requested_) return std::nullopt;
  return Overrides();
}

}  // namespace eplb
