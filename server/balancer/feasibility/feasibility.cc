#include "server/balancer/feasibility/feasibility.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/index.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr std::size_t kMostNamed = 8;  // experts that a message lists

// Slots of the usable GPUs of each node, each GPU counting at most `most_per_gpu`.
std::vector<std::int64_t> NodeCapacity(const Topology& topology, std::int64_t most_per_gpu) {
  std::vector<std::int64_t> capacity(Index(topology.num_nodes()), 0);
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    capacity[Index(topology.node_of_gpu(gpu))] += std::min<std::int64_t>(topology.slots_on(gpu), most_per_gpu);
  }
  return capacity;
}

std::string DescribeLost(const Placement& current, const Topology& topology) {
  std::size_t most = 0;
  int worst_layer = 0;
  for (int layer = 0; layer < current.num_layers(); ++layer) {
    const std::size_t lost = LostExperts(current.layer(layer), current.num_experts(), topology).size();
    if (lost <= most) continue;
    most = lost;
    worst_layer = layer;
  }
  if (most == 0) return "";
  std::vector<std::int32_t> lost = LostExperts(current.layer(worst_layer), current.num_experts(), topology);
  const bool all = lost.size() <= kMostNamed;
  if (!all) lost.resize(kMostNamed);
  return absl::StrCat("; layer ", worst_layer, " has lost every replica of ", most,
                      " experts: ", absl::StrJoin(lost, ", "), all ? "" : ", ...");
}

absl::Status CheckSlots(int num_experts, const Topology& topology, const Placement* current) {
  const int missing = num_experts - topology.num_usable_slots();
  if (missing <= 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("usable slots ", topology.num_usable_slots(), " < experts ",
                                                    num_experts, ": ", missing, missing == 1 ? " expert" : " experts",
                                                    " cannot be placed in any layer",
                                                    current == nullptr ? "" : DescribeLost(*current, topology)));
}

absl::Status CheckReplicas(const PlacementConstraints& constraints, int num_experts, const Topology& topology) {
  if (topology.num_usable_gpus() < constraints.min_replicas) {
    return absl::FailedPreconditionError(absl::StrCat("usable GPUs ", topology.num_usable_gpus(), " < min_replicas ",
                                                      constraints.min_replicas,
                                                      ": replicas of an expert are on different GPUs"));
  }
  std::int64_t places = 0;
  for (const std::int64_t node : NodeCapacity(topology, num_experts)) places += node;
  const std::int64_t wanted = static_cast<std::int64_t>(num_experts) * constraints.min_replicas;
  if (places >= wanted) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("usable slots ", places, " < experts ", num_experts,
                                                    " x min_replicas ", constraints.min_replicas, " = ", wanted, ": ",
                                                    wanted - places, " replicas cannot be placed in any layer"));
}

absl::Status CheckNodes(const PlacementConstraints& constraints, int num_experts, const Topology& topology) {
  if (constraints.min_nodes_per_expert <= 1) return absl::OkStatus();
  std::int64_t places = 0;
  int usable_nodes = 0;
  for (const std::int64_t node : NodeCapacity(topology, num_experts)) {
    places += std::min<std::int64_t>(node, num_experts);
    usable_nodes += node > 0 ? 1 : 0;
  }
  if (usable_nodes < constraints.min_nodes_per_expert) {
    return absl::FailedPreconditionError(
        absl::StrCat("usable nodes ", usable_nodes, " < min_nodes_per_expert ", constraints.min_nodes_per_expert));
  }
  const std::int64_t wanted = static_cast<std::int64_t>(num_experts) * constraints.min_nodes_per_expert;
  if (places >= wanted) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "places for different experts, summed over nodes, ", places, " < experts ", num_experts,
      " x min_nodes_per_expert ", constraints.min_nodes_per_expert, " = ", wanted, ": short by ", wanted - places));
}

absl::Status CheckBudgets(const PlacementConstraints& constraints, int num_experts) {
  const std::int64_t per_expert = std::max(constraints.min_replicas, constraints.min_nodes_per_expert);
  for (std::size_t layer = 0; layer < constraints.slot_budget_per_layer.size(); ++layer) {
    const int budget = constraints.slot_budget_per_layer[layer];
    if (budget >= per_expert * num_experts) continue;
    return absl::FailedPreconditionError(absl::StrCat("layer ", layer, ": slot budget ", budget, " < experts ",
                                                      num_experts, " x ", per_expert, " replicas each: short by ",
                                                      per_expert * num_experts - budget));
  }
  return absl::OkStatus();
}

// The most groups that a node can hold: the condition is concave in their number and holds for none, so it holds up to
// some number and never after.
int MostGroupsOnNode(const Topology& topology, int node, int num_groups, std::int64_t group_size, int min_replicas) {
  const auto can_hold = [&](int groups) {
    return NodeCapacity(topology, groups * group_size)[Index(node)] >= min_replicas * groups * group_size;
  };
  int low = 0;
  int high = num_groups;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (can_hold(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

absl::Status CheckGroups(const PlacementConstraints& constraints, int num_experts, const Topology& topology) {
  if (!constraints.honour_groups) return absl::OkStatus();
  const int num_groups = topology.num_groups();
  std::int64_t held = 0;
  for (int node = 0; node < topology.num_nodes(); ++node) {
    held += MostGroupsOnNode(topology, node, num_groups, num_experts / num_groups, constraints.min_replicas);
  }
  if (held >= num_groups) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the usable slots of the nodes hold at most ", held,
                                                    " whole groups of ", num_experts / num_groups, " experts with ",
                                                    constraints.min_replicas, " replicas each, of ", num_groups, ": ",
                                                    num_groups - held, " groups cannot be placed on one node each"));
}

}  // namespace

absl::Status CheckConstraints(const PlacementConstraints& constraints, int num_layers, int num_experts,
                              const Topology& topology) {
  FieldErrors errors("constraints.");
  errors.CheckRange("min_replicas", constraints.min_replicas, 1, topology.num_gpus());
  errors.CheckRange("min_nodes_per_expert", constraints.min_nodes_per_expert, 1, topology.num_nodes());
  if (constraints.honour_groups && constraints.min_nodes_per_expert > 1) {
    errors.Add("min_nodes_per_expert", absl::StrCat(constraints.min_nodes_per_expert),
               "must be 1 with honour_groups, which keeps each expert on one node");
  }
  if (constraints.honour_groups && num_experts % topology.num_groups() != 0) {
    errors.Add("honour_groups", absl::StrCat(topology.num_groups(), " groups"),
               absl::StrCat("must divide the number of experts, ", num_experts));
  }
  const std::vector<int>& budgets = constraints.slot_budget_per_layer;
  if (!budgets.empty() && budgets.size() != Index(num_layers)) {
    errors.Add("slot_budget_per_layer", absl::StrCat(budgets.size(), " entries"),
               absl::StrCat("must have one for each of ", num_layers, " layers, or none"));
    return errors.ToStatus();  // there may be millions
  }
  for (std::size_t layer = 0; layer < budgets.size(); ++layer) {
    errors.CheckRange(absl::StrCat("slot_budget_per_layer[", layer, "]"), budgets[layer], num_experts,
                      std::max(num_experts, topology.num_slots()));
  }
  return errors.ToStatus();
}

absl::Status CheckFeasible(const PlacementConstraints& constraints, int num_layers, int num_experts,
                           const Topology& topology, const Placement* current) {
  EPLB_CHECK(CheckConstraints(constraints, num_layers, num_experts, topology).ok());
  EPLB_RETURN_IF_ERROR(CheckSlots(num_experts, topology, current));
  EPLB_RETURN_IF_ERROR(CheckReplicas(constraints, num_experts, topology));
  EPLB_RETURN_IF_ERROR(CheckNodes(constraints, num_experts, topology));
  EPLB_RETURN_IF_ERROR(CheckBudgets(constraints, num_experts));
  return CheckGroups(constraints, num_experts, topology);
}

int SlotBudget(const PlacementConstraints& constraints, int layer, const Topology& topology) {
  const std::vector<int>& budgets = constraints.slot_budget_per_layer;
  if (budgets.empty()) return topology.num_usable_slots();
  return std::min(budgets[Index(layer)], topology.num_usable_slots());
}

std::vector<std::int32_t> LostExperts(std::span<const std::int32_t> slots, int num_experts, const Topology& topology) {
  EPLB_CHECK(slots.size() == Index(topology.num_slots()));
  std::vector<bool> held(Index(num_experts), false);
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    const std::int32_t expert = slots[Index(slot)];
    if (expert != kEmptySlot && !topology.excluded(topology.gpu_of_slot(slot))) held[Index(expert)] = true;
  }
  std::vector<std::int32_t> lost;
  for (std::size_t expert = 0; expert < held.size(); ++expert) {
    if (!held[expert]) lost.push_back(static_cast<std::int32_t>(expert));
  }
  return lost;
}

}  // namespace eplb
