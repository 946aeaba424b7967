#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_SLOTS_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_SLOTS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/at.h"
#include "server/model/constraints.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// One layer's slots while they are being changed, with the inverse map (expert -> slots) kept up to date, and the rules
// that say which changes are allowed. Only GPUs that are not excluded count: slots of excluded ones are empty here.
//
// Owns its buffers, which Load reuses; not thread-safe; keeps references to the topology and the constraints.
class LayerSlots {
 public:
  LayerSlots(const Topology& topology, const PlacementConstraints& constraints, int num_experts);

  // slots: [num_slots]. layer picks the slot budget.
  void Load(int layer, std::span<const std::int32_t> slots);

  const Topology& topology() const { return topology_; }
  int num_experts() const { return num_experts_; }
  std::span<const std::int32_t> slots() const { return slots_; }
  std::span<const std::int32_t> experts_on(int gpu) const {  // [its slots]
    return slots().subspan(static_cast<std::size_t>(topology_.first_slot(gpu)),
                           static_cast<std::size_t>(topology_.slots_on(gpu)));
  }
  std::int32_t expert_in(int slot) const { return At(slots_, slot); }
  std::span<const std::int32_t> replicas() const { return replicas_; }  // [experts]
  int replicas(int expert) const { return At(replicas_, expert); }
  int used_slots() const { return used_slots_; }
  // Experts that no slot holds.
  int missing_experts() const { return missing_experts_; }
  // Slots of this layer that may hold an expert, at most the usable ones.
  int slot_budget() const { return slot_budget_; }

  // Calls visit(slot) for each slot that holds the expert; the slots must not change meanwhile.
  template <typename Visit>
  void ForEachReplica(int expert, Visit&& visit) const {
    for (std::int32_t slot = At(first_of_expert_, expert); slot >= 0; slot = At(next_of_expert_, slot)) visit(slot);
  }
  bool Holds(int gpu, int expert) const;
  bool HoldsOnNode(int node, int expert) const;
  // Two replicas of the expert are on one GPU.
  bool HasTwins(int expert) const { return At(has_twins_, expert); }
  // Distinct nodes that hold the expert.
  int CountNodes(int expert) const;
  // The first empty slot of a usable GPU that may be filled within the slot budget, or -1.
  int FillableSlot(int gpu) const;

  void Assign(int slot, std::int32_t expert);

  // The slot's expert may lose this replica: enough replicas, on enough nodes, stay.
  bool MayDrop(int slot) const { return has_rules_ ? MayDropWithinRules(slot) : replicas(expert_in(slot)) > 1; }
  // The slot's expert stays covered without this replica, whatever else the constraints ask for.
  bool MayDropForCoverage(int slot) const { return replicas(expert_in(slot)) > 1; }
  // A replica of the expert may be put on the GPU: it is usable, holds none, and is on the node of the expert's group.
  bool MayPlace(int gpu, int expert) const;
  // The slot's expert may move to the GPU, as to the nodes that hold it.
  bool KeepsSpread(int slot, int to_gpu) const;

 private:
  bool MayDropWithinRules(int slot) const;
  void LoadGpu(int gpu);
  void ChooseGroupNodes();
  void Link(int slot, std::int32_t expert);
  void Unlink(int slot);
  bool FindTwins(int expert) const;

  const Topology& topology_;
  const PlacementConstraints& constraints_;
  const int num_experts_;
  const bool has_rules_;  // any constraint beyond one replica
  int slot_budget_ = 0;
  int used_slots_ = 0;
  int missing_experts_ = 0;
  std::vector<std::int32_t> slots_;            // [slots]
  std::vector<std::int32_t> replicas_;         // [experts]
  std::vector<std::int32_t> first_of_expert_;  // [experts] a slot that holds it, or -1
  std::vector<std::int32_t> next_of_expert_;   // [slots] the next slot that holds the same expert, or -1
  std::vector<std::int32_t> empty_on_gpu_;     // [gpus] empty slots
  std::vector<char> has_twins_;                // [experts]
  std::vector<std::int32_t> node_of_group_;    // [groups] where groups are honoured
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_SLOTS_H_
