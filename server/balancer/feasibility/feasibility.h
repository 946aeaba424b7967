#ifndef EPLB_SERVER_BALANCER_FEASIBILITY_FEASIBILITY_H_
#define EPLB_SERVER_BALANCER_FEASIBILITY_FEASIBILITY_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "server/model/constraints.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// Whether the constraints make sense for this shape whatever is excluded. INVALID_ARGUMENT names each field that breaks
// its rule: min_replicas in [1, num_gpus], min_nodes_per_expert in [1, num_nodes] and 1 with honour_groups, num_groups
// dividing num_experts with honour_groups, slot_budget_per_layer of num_layers entries or none, each in [num_experts,
// num_slots].
absl::Status CheckConstraints(const PlacementConstraints& constraints, int num_layers, int num_experts,
                              const Topology& topology);

// Whether a placement exists that keeps the constraints and has no two replicas of an expert on one GPU. The
// constraints have passed CheckConstraints. FAILED_PRECONDITION says what is short of what, and by how many.
//
// With E experts, r = min_replicas, n = min_nodes_per_expert, s(g) the slots of GPU g, over GPUs that are not excluded:
//   * replicas: GPU g can hold min(s(g), E) different experts; their sum must reach r E;
//   * nodes:    node k counts at most once for each expert: the sum over nodes of min(sum over g in k of min(s(g), E),
//   E)
//               must reach n E;
//   * budget:   max(r, n) E slots must be within each layer's budget;
//   * groups:   a node can hold q groups of m experts iff the sum over its GPUs of min(s(g), q m) reaches r q m; the
//               largest q of the nodes must sum to the number of groups. Groups are alike, so any of them will do.
// These are enough: experts are alike, so if giving every expert the same fraction of every GPU satisfies all of this,
// a fractional flow from experts over nodes to GPUs exists, and then a whole one does (integrality of flows; for one
// node it is the theorem of Gale and Ryser, in which the condition for fewer than E experts follows from the one for E
// since min(s, t) is concave in t).
//
// current, if not null, is the placement in force: where slots do not suffice the message then names experts that have
// lost every replica.
absl::Status CheckFeasible(const PlacementConstraints& constraints, int num_layers, int num_experts,
                           const Topology& topology, const Placement* current);

// Slots that a layer may use: its budget, or all that GPUs which are not excluded have.
int SlotBudget(const PlacementConstraints& constraints, int layer, const Topology& topology);

// Experts of one layer that only excluded GPUs hold, ascending. slots: [num_slots].
std::vector<std::int32_t> LostExperts(std::span<const std::int32_t> slots, int num_experts, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_FEASIBILITY_FEASIBILITY_H_
