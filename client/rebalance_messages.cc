#include "client/rebalance_messages.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/rpc/convert/gate_message.h"
#include "server/rpc/convert/placement_message.h"
#include "server/rpc/convert/plan_options_message.h"
#include "server/rpc/convert/topology_message.h"

namespace eplb {
namespace {

void WriteSample(const LoadSample& sample, std::span<const int> model_layers, v1::LoadSample& message) {
  message.set_weight(sample.weight);
  for (int layer = 0; layer < sample.loads.num_layers(); ++layer) {
    v1::LayerLoad& load = *message.add_layers();
    load.set_model_layer(model_layers[static_cast<std::size_t>(layer)]);
    load.mutable_tokens()->Reserve(sample.loads.num_experts());
    for (double tokens : sample.loads.layer(layer)) load.add_tokens(static_cast<std::uint64_t>(tokens));
  }
}

void WriteOptions(const RebalanceOptions& options, bool honour_groups, v1::PlanOptions& message) {
  message.set_policy(PolicyMessage(options.policy));
  message.set_work_limit(options.work_limit);
  message.set_honour_groups(honour_groups);
  message.set_max_transfers_per_gpu(options.max_transfers_per_gpu);
  message.set_traffic_shares(options.traffic_shares);
  if (!options.budget.unlimited()) WriteBudget(options.budget, *message.mutable_budget());
}

void WriteConstraints(const PlacementConstraints& constraints, v1::PlacementConstraints& message) {
  message.set_min_replicas(constraints.min_replicas);
  message.set_min_nodes_per_expert(constraints.min_nodes_per_expert);
  message.set_stable_local_slots(constraints.stable_local_slots);
  message.mutable_slot_budget_per_layer()->Add(constraints.slot_budget_per_layer.begin(),
                                               constraints.slot_budget_per_layer.end());
}

// The service takes slots that GPUs do not share evenly only where they are stated GPU by GPU. Options that make no
// topology are left to it to refuse.
void StateUnevenSlots(const TopologyOptions& options, v1::Topology& message) {
  if (!options.slots_per_gpu.empty() || options.num_gpus <= 0 || options.num_slots % options.num_gpus == 0) return;
  const absl::StatusOr<Topology> topology = Topology::Create(options);
  if (!topology.ok()) return;
  for (int gpu = 0; gpu < topology->num_gpus(); ++gpu) message.add_slots_per_gpu(topology->slots_on(gpu));
}

}  // namespace

v1::RebalanceRequest MakeRebalanceRequest(const RebalanceQuestion& question) {
  v1::RebalanceRequest request;
  *request.mutable_topology() = TopologyMessage(*question.topology);
  StateUnevenSlots(*question.topology, *request.mutable_topology());
  const std::vector<int>& draining = question.topology->draining_gpus;
  for (const int gpu : question.topology->excluded_gpus) {
    if (std::find(draining.begin(), draining.end(), gpu) == draining.end()) request.add_excluded_gpus(gpu);
  }
  request.mutable_draining_gpus()->Add(draining.begin(), draining.end());
  for (const LoadSample& sample : question.samples) {
    WriteSample(sample, question.model_layers, *request.add_samples());
  }
  if (question.current != nullptr) {
    for (int layer = 0; layer < question.current->num_layers(); ++layer) {
      WriteLayerPlacement(question.current->layer(layer), question.current->num_experts(),
                          question.model_layers[static_cast<std::size_t>(layer)],
                          {.expert_count = false, .max_routing_entries = 0}, *request.add_current());
    }
  }
  WriteOptions(question.options, question.constraints.honour_groups, *request.mutable_options());
  if (question.gate) WriteGate(*question.gate, *request.mutable_options()->mutable_gate());
  WriteConstraints(question.constraints, *request.mutable_constraints());
  request.set_bytes_per_expert(question.options.bytes_per_expert);
  request.set_max_routing_entries(question.max_routing_entries);
  return request;
}

absl::StatusOr<Placement> PlacementFromResponse(const v1::RebalanceResponse& response,
                                                std::span<const int> model_layers, int num_experts, int num_slots) {
  FieldErrors errors;
  std::optional<Placement> placement = ReadPlacement(
      response.layers(), {.model_layers = model_layers, .num_experts = num_experts, .num_slots = num_slots}, "layers",
      errors);
  if (placement) return *std::move(placement);
  return absl::InternalError(absl::StrCat("the server's answer is no placement: ", errors.ToStatus().message()));
}

}  // namespace eplb
