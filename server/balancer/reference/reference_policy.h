#ifndef EPLB_SERVER_BALANCER_REFERENCE_REFERENCE_POLICY_H_
#define EPLB_SERVER_BALANCER_REFERENCE_REFERENCE_POLICY_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "server/balancer/reference/packing.h"
#include "server/balancer/reference/replication.h"
#include "server/model/topology.h"

namespace eplb {

// Numbers that the reference policies divide by one another. The global policy is the hierarchical one with one group
// and one node.
struct ReferenceShape {
  int num_experts = 0;
  int num_slots = 0;
  int num_groups = 1;
  int num_nodes = 1;
  int num_gpus = 1;
};

// INVALID_ARGUMENT naming the field whose number does not divide as the algorithm needs: slots >= experts, GPUs divide
// slots, nodes divide GPUs, groups divide experts, nodes divide groups.
absl::Status ValidateReferenceShape(const ReferenceShape& shape);

// The shape for `hierarchical` (groups and nodes as in the topology) or `global` (one group, one node).
ReferenceShape HierarchicalShape(int num_experts, const Topology& topology);
ReferenceShape GlobalShape(int num_experts, const Topology& topology);

// The expert-parallel load balancer that DeepSeek published (deepseek-ai/EPLB, eplb.py, rebalance_experts), one layer
// at a time: expert groups are packed to nodes, experts replicated within each node, replicas packed to the node's
// GPUs. Arithmetic is float32 as in the original; ties, which the original leaves to its sort, go to the lowest index.
// Owns all its buffers: nothing is allocated per layer after the first. Not thread-safe; one for each thread.
class ReferencePolicy {
 public:
  // shape has passed ValidateReferenceShape.
  explicit ReferencePolicy(const ReferenceShape& shape);

  // loads: [num_experts]. Afterwards, until the next call: physical_to_logical() [num_slots], replica_rank()
  // [num_slots] (which replica of its expert a slot holds, from 0), expert_count() [num_experts].
  void Run(std::span<const double> loads);

  std::span<const std::int32_t> physical_to_logical() const { return physical_to_logical_; }
  std::span<const std::int32_t> replica_rank() const { return replica_rank_; }
  std::span<const std::int32_t> expert_count() const { return expert_count_; }

 private:
  void PackGroupsToNodes();
  void PlaceNode(int node);

  const ReferenceShape shape_;
  std::vector<float> loads_;           // [experts]
  std::vector<float> group_loads_;     // [groups]
  std::vector<std::int32_t> members_;  // [experts] experts in the order of their nodes
  std::vector<float> member_loads_;    // [experts / nodes]
  std::vector<float> replica_loads_;   // [slots / nodes]
  Packing packing_;
  Replication replication_;
  std::vector<std::int32_t> physical_to_logical_;
  std::vector<std::int32_t> replica_rank_;
  std::vector<std::int32_t> expert_count_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_REFERENCE_REFERENCE_POLICY_H_
