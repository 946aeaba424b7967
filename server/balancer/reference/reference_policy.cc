#include "server/balancer/reference/reference_policy.h"

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"

namespace eplb {
namespace {

std::size_t Size(int value) { return static_cast<std::size_t>(value); }

void RequireDivides(FieldErrors& errors, std::string_view field, int value, std::string_view divisor_field,
                    int divisor) {
  if (value % divisor == 0) return;
  errors.Add(field, absl::StrCat(value),
             absl::StrCat("must be a multiple of ", std::string(divisor_field), " = ", divisor,
                          " for the reference policies"));
}

}  // namespace

absl::Status ValidateReferenceShape(const ReferenceShape& shape) {
  FieldErrors errors;
  if (shape.num_slots < shape.num_experts) {
    errors.Add("num_slots", absl::StrCat(shape.num_slots),
               absl::StrCat("must be at least the number of experts, ", shape.num_experts));
  }
  RequireDivides(errors, "num_slots", shape.num_slots, "num_gpus", shape.num_gpus);
  RequireDivides(errors, "num_gpus", shape.num_gpus, "num_nodes", shape.num_nodes);
  RequireDivides(errors, "num_experts", shape.num_experts, "num_groups", shape.num_groups);
  RequireDivides(errors, "num_groups", shape.num_groups, "num_nodes", shape.num_nodes);
  return errors.ToStatus();
}

ReferenceShape HierarchicalShape(int num_experts, const Topology& topology) {
  return {.num_experts = num_experts,
          .num_slots = topology.num_slots(),
          .num_groups = topology.num_groups(),
          .num_nodes = topology.num_nodes(),
          .num_gpus = topology.num_gpus()};
}

ReferenceShape GlobalShape(int num_experts, const Topology& topology) {
  return {.num_experts = num_experts, .num_slots = topology.num_slots(), .num_gpus = topology.num_gpus()};
}

ReferencePolicy::ReferencePolicy(const ReferenceShape& shape)
    : shape_(shape),
      loads_(Size(shape.num_experts)),
      group_loads_(Size(shape.num_groups)),
      members_(Size(shape.num_experts)),
      member_loads_(Size(shape.num_experts / shape.num_nodes)),
      replica_loads_(Size(shape.num_slots / shape.num_nodes)),
      physical_to_logical_(Size(shape.num_slots)),
      replica_rank_(Size(shape.num_slots)),
      expert_count_(Size(shape.num_experts)) {
  EPLB_CHECK(ValidateReferenceShape(shape).ok());
}

void ReferencePolicy::Run(std::span<const double> loads) {
  EPLB_CHECK(loads.size() == loads_.size());
  // Adding zero turns a negative zero, whose bits would sort last, into a plain one.
  for (std::size_t i = 0; i < loads.size(); ++i) loads_[i] = static_cast<float>(loads[i]) + 0.0F;
  PackGroupsToNodes();
  for (int node = 0; node < shape_.num_nodes; ++node) PlaceNode(node);
}

void ReferencePolicy::PackGroupsToNodes() {
  const std::size_t group_size = Size(shape_.num_experts / shape_.num_groups);
  const std::size_t groups_per_node = Size(shape_.num_groups / shape_.num_nodes);
  for (std::size_t group = 0; group < group_loads_.size(); ++group) {
    // Summed in double and rounded once: the original's order of float32 additions is its library's own.
    double sum = 0;
    for (std::size_t i = 0; i < group_size; ++i) sum += static_cast<double>(loads_[group * group_size + i]);
    group_loads_[group] = static_cast<float>(sum);
  }
  packing_.Run(group_loads_, shape_.num_nodes);
  for (std::size_t group = 0; group < group_loads_.size(); ++group) {
    const std::size_t place = Size(packing_.pack_of()[group]) * groups_per_node + Size(packing_.rank_of()[group]);
    for (std::size_t i = 0; i < group_size; ++i) {
      members_[place * group_size + i] = static_cast<std::int32_t>(group * group_size + i);
    }
  }
}

void ReferencePolicy::PlaceNode(int node) {
  const std::span<const std::int32_t> members =
      std::span<const std::int32_t>(members_).subspan(Size(node) * member_loads_.size(), member_loads_.size());
  for (std::size_t i = 0; i < members.size(); ++i) member_loads_[i] = loads_[Size(members[i])];
  const int node_slots = shape_.num_slots / shape_.num_nodes;
  replication_.Run(member_loads_, node_slots);
  for (std::size_t i = 0; i < members.size(); ++i) expert_count_[Size(members[i])] = replication_.counts()[i];
  for (std::size_t replica = 0; replica < replica_loads_.size(); ++replica) {
    replica_loads_[replica] = replication_.replica_load()[Size(replication_.expert_of()[replica])];
  }
  packing_.Run(replica_loads_, shape_.num_gpus / shape_.num_nodes);
  const std::size_t slots_per_gpu = Size(shape_.num_slots / shape_.num_gpus);
  for (std::size_t replica = 0; replica < replica_loads_.size(); ++replica) {
    const std::size_t slot = Size(node) * Size(node_slots) + Size(packing_.pack_of()[replica]) * slots_per_gpu +
                             Size(packing_.rank_of()[replica]);
    physical_to_logical_[slot] = members[Size(replication_.expert_of()[replica])];
    replica_rank_[slot] = replication_.rank_of()[replica];
  }
}

}  // namespace eplb
