#include "server/rpc/live_convert/deployment_spec_message.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/convert/topology_message.h"
#include "server/rpc/live_convert/plan_overrides_message.h"

namespace eplb {
namespace {

void CheckCount(FieldErrors& errors, std::string_view field, std::int64_t value, int high) {
  if (value >= 1 && value <= high) return;
  errors.Add(field, absl::StrCat(value), absl::StrCat("must be from 1 to ", high));
}

PlacementConstraints ReadRules(const v1::DeploymentSpec& message) {
  const v1::PlacementConstraints& rules = message.constraints();
  // 0 stands for 1; what is negative is left for DeploymentSpec::Create to refuse.
  return {.min_replicas = rules.min_replicas() == 0 ? 1 : rules.min_replicas(),
          .min_nodes_per_expert = rules.min_nodes_per_expert() == 0 ? 1 : rules.min_nodes_per_expert(),
          .honour_groups = message.options().honour_groups(),
          .stable_local_slots = !rules.has_stable_local_slots() || rules.stable_local_slots(),
          .slot_budget_per_layer = {rules.slot_budget_per_layer().begin(), rules.slot_budget_per_layer().end()}};
}

CoordinationMode ReadCoordination(v1::CoordinationMode mode, FieldErrors& errors) {
  if (mode == v1::COORDINATION_MODE_ALL_RANKS) return CoordinationMode::kAllRanks;
  if (mode != v1::COORDINATION_MODE_UNSPECIFIED && mode != v1::COORDINATION_MODE_ONE_SUBSCRIBER) {
    errors.Add("coordination_mode", absl::StrCat(static_cast<int>(mode)), "must be a known mode");
  }
  return CoordinationMode::kOneSubscriber;
}

PhaseWeights ReadPhaseWeights(const v1::DeploymentSpec& message) {
  if (!message.has_phase_weights()) return {};
  const v1::PhaseWeights& weights = message.phase_weights();
  return {.unspecified = weights.unspecified(), .prefill = weights.prefill(), .decode = weights.decode()};
}

void WriteRules(const DeploymentSpec& spec, v1::PlacementConstraints& message) {
  const PlacementConstraints& rules = spec.constraints();
  message.set_min_replicas(rules.min_replicas);
  message.set_min_nodes_per_expert(rules.min_nodes_per_expert);
  message.set_stable_local_slots(spec.stable_local_slots());
  message.mutable_slot_budget_per_layer()->Add(rules.slot_budget_per_layer.begin(), rules.slot_budget_per_layer.end());
}

void WritePhaseWeights(const PhaseWeights& weights, v1::PhaseWeights& message) {
  message.set_unspecified(weights.unspecified);
  message.set_prefill(weights.prefill);
  message.set_decode(weights.decode);
}

}  // namespace

std::optional<DeploymentSpec> ReadDeploymentSpec(const v1::DeploymentSpec& message, std::string_view field,
                                                 const RequestLimits& limits, FieldErrors& errors) {
  FieldErrors own;
  std::optional<TopologyOptions> topology = ReadTopology(message.topology(), "topology", limits, own);
  CheckCount(own, "model_layers", message.model_layers_size(), limits.max_layers);
  CheckCount(own, "num_experts", message.num_experts(), limits.max_experts);
  const CoordinationMode coordination = ReadCoordination(message.coordination_mode(), own);
  std::optional<DeploymentSpec> spec;
  if (own.empty()) {
    absl::StatusOr<DeploymentSpec> made = DeploymentSpec::Create({
        .name = message.deployment(),
        .topology = *std::move(topology),
        .model_layers = {message.model_layers().begin(), message.model_layers().end()},
        .num_experts = message.num_experts(),
        .bytes_per_expert = message.bytes_per_expert(),
        .constraints = ReadRules(message),
        .coordination = coordination,
        .phase_weights = ReadPhaseWeights(message),
    });
    own.Merge("", made.status());
    if (made.ok()) spec = *std::move(made);
  }
  errors.Merge(field, own.ToStatus());
  return spec;
}

void WriteDeploymentSpec(const DeploymentSpec& spec, const PlanOverrides& options, v1::DeploymentSpec& message) {
  message.set_deployment(spec.name());
  *message.mutable_topology() = TopologyMessage(spec.topology_options());
  message.mutable_model_layers()->Add(spec.model_layers().begin(), spec.model_layers().end());
  message.set_num_experts(spec.num_experts());
  message.set_bytes_per_expert(spec.bytes_per_expert());
  WriteRules(spec, *message.mutable_constraints());
  WritePlanOverrides(options, *message.mutable_options());
  message.set_coordination_mode(spec.coordination() == CoordinationMode::kAllRanks
                                    ? v1::COORDINATION_MODE_ALL_RANKS
                                    : v1::COORDINATION_MODE_ONE_SUBSCRIBER);
  WritePhaseWeights(spec.phase_weights(), *message.mutable_phase_weights());
}

}  // namespace eplb
