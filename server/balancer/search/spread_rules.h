#ifndef EPLB_SERVER_BALANCER_SEARCH_SPREAD_RULES_H_
#define EPLB_SERVER_BALANCER_SEARCH_SPREAD_RULES_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/replica_layout.h"

namespace eplb {

// Keeps the replicas of every expert on at least min_nodes distinct nodes, so that losing min_nodes - 1 nodes loses no
// expert. Counts the replicas of each expert on each node. With min_nodes 1 every question costs nothing.
// Reuses its buffers; not thread-safe.
class SpreadRules {
 public:
  // node_of: [gpus] any numbers from 0 on. Takes stock of the layout's slots.
  void Reset(int min_nodes, std::span<const std::int32_t> node_of, const ReplicaLayout& layout);

  // Whether the rule, if the expert keeps it, is still kept after a replica goes from GPU to GPU; from a GPU
  // to nowhere.
  bool MayMove(std::int32_t expert, int from_gpu, int to_gpu) const;
  bool MayDrop(std::int32_t expert, int from_gpu) const;

  // To be told of every change of a slot.
  void Add(std::int32_t expert, int gpu);
  void Remove(std::int32_t expert, int gpu);

  // Makes a layout whose experts have min_nodes replicas each, and no twins, keep the rule: exchanges replicas
  // that share a node with others of their expert for those nearest in load on nodes that lack it. Falls back to
  // Rebuild() where that gets stuck. The constraints are feasible (feasibility.h).
  void Repair(int min_replicas, ReplicaLayout* layout);

  int NodesOf(std::int32_t expert) const { return nodes_held_[expert]; }

 private:
  bool RepairExpert(std::int32_t expert, ReplicaLayout* layout);
  void Rebuild(int min_replicas, ReplicaLayout* layout);
  void PlaceOnDistinctNodes(ReplicaLayout* layout);
  void PlaceOnDistinctGpus(int min_replicas, ReplicaLayout* layout);
  void FillSlots(ReplicaLayout* layout);
  void PutNext(int gpu, std::int32_t expert, ReplicaLayout* layout);
  std::int32_t& Count(std::int32_t expert, int gpu) { return on_node_[expert * num_nodes_ + node_of_[gpu]]; }
  std::int32_t Count(std::int32_t expert, int gpu) const { return on_node_[expert * num_nodes_ + node_of_[gpu]]; }

  int min_nodes_ = 1;
  int num_nodes_ = 0;
  FlatArray<std::int32_t> node_of_;     // [gpus]
  FlatArray<std::int32_t> on_node_;     // [experts x nodes] replicas
  FlatArray<std::int32_t> nodes_held_;  // [experts] nodes with at least one
  FlatArray<std::int32_t> by_load_;     // [experts] heaviest first
  FlatArray<std::int32_t> free_;        // [gpus] slots not filled yet
  FlatArray<std::int32_t> node_room_;   // [nodes]
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_SPREAD_RULES_H_
