#include "server/rpc/convert/rebalance_request.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/balancer/feasibility/feasibility.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/load_message.h"
#include "server/rpc/convert/placement_message.h"
#include "server/rpc/convert/request_checks.h"
#include "server/rpc/convert/topology_message.h"

namespace eplb {
namespace {

// Experts of each layer: as the loads state it, or the current placement where loads are given by slot.
int FindNumExperts(const LoadShape& shape, const v1::RebalanceRequest& request, const RequestLimits& limits,
                   FieldErrors& errors) {
  if (shape.num_experts > 0) return shape.num_experts;
  const int num_experts = NumExpertsIn(request.current());
  if (request.current().empty()) {
    errors.Add("samples[0].layers[0].slot_tokens", "", "needs the current placement in `current`");
  } else if (num_experts < 1 || num_experts > limits.max_experts) {
    errors.Add("current[0].physical_to_logical", absl::StrCat(num_experts, " experts"),
               absl::StrCat("must be from 1 to ", limits.max_experts));
  }
  return num_experts;
}

void CheckScalars(const v1::RebalanceRequest& request, FieldErrors& errors) {
  if (request.force()) errors.Add("force", "true", "must be false with samples: nothing is published");
  CheckRequestScalars(request, errors);
}

// Refuses what cannot be answered before it is planned: each slot takes a byte of the answer and each expert too (those
// from 128 on one more), and so do the parts that are asked for. What still turns out too large is refused later.
void CheckAnswerFits(const v1::RebalanceRequest& request, const LoadShape& shape, int num_slots,
                     std::int64_t max_answer_bytes, FieldErrors& errors) {
  if (max_answer_bytes <= 0) return;
  const std::int64_t per_slot = request.options().traffic_shares() ? 1 + std::int64_t{sizeof(double)} : 1;
  const std::int64_t per_expert = request.max_routing_entries() > 0 ? 3 : 1;
  const std::int64_t experts_bytes =
      per_expert * shape.num_experts + std::max<std::int64_t>(shape.num_experts - 128, 0);
  const std::int64_t layer_bytes = max_answer_bytes / std::ssize(shape.model_layers);
  const std::int64_t most_slots = std::max<std::int64_t>((layer_bytes - experts_bytes) / per_slot, 0);
  if (num_slots <= most_slots) return;
  errors.Add("topology.num_slots", absl::StrCat(num_slots),
             absl::StrCat("must be at most ", most_slots, " in each of ", shape.model_layers.size(),
                          " layers: the answer must fit into ", max_answer_bytes, " bytes"));
}

int CountSlots(TopologyOptions options) {
  const absl::StatusOr<Topology> topology = Topology::Create(std::move(options));
  EPLB_CHECK(topology.ok());
  return topology->num_slots();
}

// The topology with its unusable GPUs taken out; FAILED_PRECONDITION where the rest cannot hold all experts.
absl::StatusOr<Topology> MakeTopology(TopologyOptions options, UnusableGpus gpus, const LoadShape& shape,
                                      const Placement* current) {
  options.excluded_gpus = gpus.All();
  options.draining_gpus = std::move(gpus.draining);
  if (std::ssize(options.excluded_gpus) == options.num_gpus) {
    return absl::FailedPreconditionError(absl::StrCat("all ", options.num_gpus, " GPUs are excluded or draining: ",
                                                      shape.num_experts, " experts cannot be placed in any layer"));
  }
  EPLB_ASSIGN_OR_RETURN(Topology topology, Topology::Create(std::move(options)));
  const int num_layers = static_cast<int>(shape.model_layers.size());
  EPLB_RETURN_IF_ERROR(CheckFeasible({}, num_layers, shape.num_experts, topology, current));
  return topology;
}

}  // namespace

absl::StatusOr<RebalanceInput> ReadRebalanceRequest(const v1::RebalanceRequest& request, const PlanDefaults& defaults,
                                                    const RequestLimits& limits) {
  FieldErrors errors;
  CheckScalars(request, errors);
  std::optional<TopologyOptions> hardware = ReadTopology(request.topology(), "topology", limits, errors);
  std::optional<LoadShape> shape = ReadLoadShape(request.samples(), limits, errors);
  if (!hardware || !shape) return errors.ToStatus();

  shape->num_experts = FindNumExperts(*shape, request, limits, errors);
  const int num_slots = CountSlots(*hardware);
  if (shape->num_experts > num_slots) {
    errors.Add("topology.num_slots", absl::StrCat(num_slots),
               absl::StrCat("must be at least the number of experts, ", shape->num_experts));
  }
  CheckAnswerFits(request, *shape, num_slots, limits.max_answer_bytes, errors);
  if (!errors.empty()) return errors.ToStatus();

  UnusableGpus unusable = ReadUnusableGpus(request, hardware->num_gpus, errors);
  std::optional<Placement> current;
  if (!request.current().empty()) {
    current = ReadPlacement(request.current(), {shape->model_layers, shape->num_experts, num_slots}, "current", errors);
    if (!current) return errors.ToStatus();
  }
  std::vector<LoadSample> samples = ReadLoadSamples(request.samples(), *shape, current ? &*current : nullptr, errors);
  std::vector<double> current_shares;
  if (current) current_shares = ReadSlotShares(request.current(), *current, "current", errors);
  RequestedPlan plan =
      ReadPlanOptions(request.options(), request.bytes_per_expert(), current.has_value(), defaults, limits, errors);
  const ConstraintsShape constraints_shape{.num_layers = static_cast<int>(shape->model_layers.size()),
                                           .num_experts = shape->num_experts,
                                           .num_slots = num_slots,
                                           .num_gpus = hardware->num_gpus,
                                           .num_nodes = hardware->num_nodes};
  PlacementConstraints constraints = ReadConstraints(request.constraints(), request.options().honour_groups(),
                                                     plan.options.policy, constraints_shape, errors);
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  EPLB_ASSIGN_OR_RETURN(Topology topology,
                        MakeTopology(*std::move(hardware), std::move(unusable), *shape, current ? &*current : nullptr));
  return RebalanceInput{.topology = std::move(topology),
                        .model_layers = std::move(shape->model_layers),
                        .samples = std::move(samples),
                        .current = std::move(current),
                        .constraints = std::move(constraints),
                        .options = std::move(plan.options),
                        .gate = std::move(plan.gate),
                        .current_shares = std::move(current_shares),
                        .max_routing_entries = request.max_routing_entries()};
}

absl::StatusOr<GatedPlan> PlanRequested(const RebalanceInput& input, const ParallelFor& parallel) {
  if (input.gate) return PlanGatedRebalance(input.problem(), input.options, *input.gate, parallel);
  EPLB_ASSIGN_OR_RETURN(RebalancePlan plan, PlanRebalance(input.problem(), input.options, parallel));
  return GatedPlan{.plan = std::move(plan)};
}

}  // namespace eplb
