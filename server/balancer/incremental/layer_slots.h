#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_SLOTS_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_SLOTS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/at.h"
#include "server/balancer/search/group_packing.h"
#include "server/model/constraints.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// One layer's slots while they are being changed, with the inverse map (expert -> slots) kept up to date, and the rules
// that say which changes are allowed. Only GPUs that are not excluded count: slots of excluded ones are empty here.
//
// Where groups are honoured they divide the experts, and each has one node that its experts may be put on.
//
// Owns its buffers, which Load reuses; not thread-safe; keeps references to the topology and the constraints.
class LayerSlots {
 public:
  LayerSlots(const Topology& topology, const PlacementConstraints& constraints, int num_experts);

  // slots: [num_slots]. layer picks the slot budget. loads: [experts], by which groups that lost their node choose one;
  // empty: they count alike.
  void Load(int layer, std::span<const std::int32_t> slots, std::span<const double> loads = {});

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
  // The GPUs that hold the expert, bit gpu % 64 each: experts whose bits differ have no GPU in common.
  std::uint64_t gpu_bits(int expert) const { return At(gpu_bits_, expert); }
  static std::uint64_t BitOf(int gpu) { return std::uint64_t{1} << (static_cast<unsigned>(gpu) % 64U); }
  bool Holds(int gpu, int expert) const { return SlotOn(gpu, expert) >= 0; }
  // A slot of the GPU that holds the expert, or -1.
  int SlotOn(int gpu, int expert) const { return (gpu_bits(expert) & BitOf(gpu)) != 0 ? FindOn(gpu, expert) : -1; }
  bool HoldsOnNode(int node, int expert) const;
  // Two replicas of the expert are on one GPU.
  bool HasTwins(int expert) const { return At(has_twins_, expert); }
  // Distinct nodes that hold the expert.
  int CountNodes(int expert) const;
  // Replicas on the node of the expert's group; all of them where it has none.
  int CountAtHome(int expert) const;
  // The slot holds an expert whose group has its node elsewhere.
  bool Strays(int slot) const {
    return expert_in(slot) != kEmptySlot && !AtHome(topology_.gpu_of_slot(slot), expert_in(slot));
  }
  // The GPU is on the node of the expert's group, or the group has none.
  bool AtHome(int gpu, int expert) const {
    if (node_of_group_.empty()) return true;
    const std::int32_t node = At(node_of_group_, expert / group_size_);
    return node < 0 || node == topology_.node_of_gpu(gpu);
  }
  // The first empty slot of a usable GPU that may be filled within the slot budget, or -1.
  int FillableSlot(int gpu) const;

  void Assign(int slot, std::int32_t expert);

  // The slot's expert may lose this replica: enough replicas, on enough nodes, stay.
  bool MayDrop(int slot) const { return has_rules_ ? MayDropWithinRules(slot) : replicas(expert_in(slot)) > 1; }
  // The slot's expert stays covered without this replica, whatever else the constraints ask for.
  bool MayDropForCoverage(int slot) const { return replicas(expert_in(slot)) > 1; }
  // A replica of the expert may be put on the GPU: it is usable, holds none, and is on the node of the expert's group.
  bool MayPlace(int gpu, int expert) const { return MayPlaceOffHome(gpu, expert) && AtHome(gpu, expert); }
  // The same, on whatever node.
  bool MayPlaceOffHome(int gpu, int expert) const { return !topology_.excluded(gpu) && !Holds(gpu, expert); }
  // The slot's expert may move to the GPU, as to the nodes that hold it.
  bool KeepsSpread(int slot, int to_gpu) const;

 private:
  bool MayDropWithinRules(int slot) const;
  void LoadGpu(int gpu);
  // Gives each group a node that has room for it: that which holds most of it, where the groups that it holds more of
  // leave room; the heaviest of the others first, to the node that then carries least. Where the nodes have no room for
  // all, some get none, and their experts may be anywhere.
  void ChooseGroupNodes(std::span<const double> loads);
  void ChooseByHolding(std::vector<std::int32_t>& room, std::span<const double> loads, std::vector<double>& node_load);
  void Link(int slot, std::int32_t expert);
  void Unlink(int slot);
  int FindOn(int gpu, int expert) const;
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
  std::vector<std::uint64_t> gpu_bits_;        // [experts]
  std::vector<std::int32_t> empty_on_gpu_;     // [gpus] empty slots
  std::vector<char> has_twins_;                // [experts]
  int group_size_ = 1;                         // experts of a group
  std::vector<GroupPacking::Node> nodes_;      // [nodes] where groups are honoured, else empty
  std::vector<std::int32_t> node_of_group_;    // [groups] or -1, where groups are honoured, else empty
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_SLOTS_H_
