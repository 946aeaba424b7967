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
#include "server/rpc/convert/topology_message.h"

namespace eplb {
namespace {

constexpr int kMaxRequestIdBytes = 128;

// The GPUs that get no expert: excluded and draining, rising. Adds what is wrong to `errors`.
std::vector<int> ReadUnusableGpus(const v1::RebalanceRequest& request, int num_gpus, FieldErrors& errors) {
  std::vector<int> gpus;
  std::vector<int> draining;
  ReadGpuList(request.excluded_gpus(), "excluded_gpus", num_gpus, gpus, errors);
  ReadGpuList(request.draining_gpus(), "draining_gpus", num_gpus, draining, errors);
  std::ranges::sort(gpus);
  for (const int gpu : draining) {
    if (std::ranges::binary_search(gpus, gpu)) {
      errors.Add("draining_gpus", absl::StrCat(gpu), "must not be in excluded_gpus too");
    }
  }
  gpus.insert(gpus.end(), draining.begin(), draining.end());
  std::ranges::sort(gpus);
  return gpus;
}

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
  if (request.max_routing_entries() < 0) {
    errors.Add("max_routing_entries", absl::StrCat(request.max_routing_entries()), "must be at least 0");
  }
  if (request.request_id().size() > kMaxRequestIdBytes) {
    errors.Add("request_id", absl::StrCat(request.request_id().size(), " bytes"),
               absl::StrCat("must be at most ", kMaxRequestIdBytes));
  }
}

int CountSlots(TopologyOptions options) {
  const absl::StatusOr<Topology> topology = Topology::Create(std::move(options));
  EPLB_CHECK(topology.ok());
  return topology->num_slots();
}

// The topology with its unusable GPUs taken out; FAILED_PRECONDITION where the rest cannot hold all experts.
absl::StatusOr<Topology> MakeTopology(TopologyOptions options, std::vector<int> unusable, std::vector<int> draining,
                                      const LoadShape& shape, const Placement* current) {
  if (std::ssize(unusable) == options.num_gpus) {
    return absl::FailedPreconditionError(absl::StrCat("all ", options.num_gpus, " GPUs are excluded or draining: ",
                                                      shape.num_experts, " experts cannot be placed in any layer"));
  }
  options.excluded_gpus = std::move(unusable);
  options.draining_gpus = std::move(draining);
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
  if (!errors.empty()) return errors.ToStatus();

  std::vector<int> unusable = ReadUnusableGpus(request, hardware->num_gpus, errors);
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
  std::vector<int> draining(request.draining_gpus().begin(), request.draining_gpus().end());
  EPLB_ASSIGN_OR_RETURN(Topology topology, MakeTopology(*std::move(hardware), std::move(unusable), std::move(draining),
                                                        *shape, current ? &*current : nullptr));
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

}  // namespace eplb
