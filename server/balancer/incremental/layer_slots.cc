#include "server/balancer/incremental/layer_slots.h"

#include <algorithm>
#include <numeric>

#include "server/balancer/search/group_nodes.h"
#include "server/base/check.h"

namespace eplb {

LayerSlots::LayerSlots(const Topology& topology, const PlacementConstraints& constraints, int num_experts)
    : topology_(topology),
      constraints_(constraints),
      num_experts_(num_experts),
      has_rules_(constraints.min_replicas > 1 || constraints.min_nodes_per_expert > 1) {
  if (!constraints.honour_groups) return;
  EPLB_CHECK(num_experts % topology.num_groups() == 0);
  group_size_ = num_experts / topology.num_groups();
  nodes_ = NodesForGroups(topology, num_experts, constraints.min_replicas);
}

void LayerSlots::Load(int layer, std::span<const std::int32_t> slots, std::span<const double> loads) {
  slots_.assign(slots.begin(), slots.end());
  next_of_expert_.resize(slots.size());
  replicas_.assign(static_cast<std::size_t>(num_experts_), 0);
  first_of_expert_.assign(static_cast<std::size_t>(num_experts_), -1);
  has_twins_.assign(static_cast<std::size_t>(num_experts_), 0);
  gpu_bits_.assign(static_cast<std::size_t>(num_experts_), 0);
  empty_on_gpu_.resize(static_cast<std::size_t>(topology_.num_gpus()));
  slot_budget_ = topology_.num_usable_slots();
  if (!constraints_.slot_budget_per_layer.empty()) {
    slot_budget_ = std::min(slot_budget_, At(constraints_.slot_budget_per_layer, layer));
  }
  used_slots_ = 0;
  missing_experts_ = num_experts_;
  // From the last slot on, so that an expert's replicas are visited in slot order.
  for (int gpu = topology_.num_gpus(); gpu-- > 0;) LoadGpu(gpu);
  if (constraints_.honour_groups) ChooseGroupNodes(loads);
}

void LayerSlots::LoadGpu(int gpu) {
  const int first = topology_.first_slot(gpu);
  const int end = topology_.first_slot(gpu + 1);
  if (topology_.excluded(gpu)) std::fill(slots_.begin() + first, slots_.begin() + end, kEmptySlot);
  int empty = 0;
  int found = 0;  // experts that no later slot holds
  for (int slot = end; slot-- > first;) {
    const std::int32_t expert = At(slots_, slot);
    if (expert == kEmptySlot) {
      ++empty;
      continue;
    }
    std::int32_t& first_of_expert = At(first_of_expert_, expert);
    if (first_of_expert < 0) {
      ++found;
    } else if (first_of_expert < end) {
      At(has_twins_, expert) = 1;
    }
    At(next_of_expert_, slot) = first_of_expert;
    first_of_expert = slot;
    ++At(replicas_, expert);
    At(gpu_bits_, expert) |= BitOf(gpu);
  }
  At(empty_on_gpu_, gpu) = empty;
  used_slots_ += end - first - empty;
  missing_experts_ -= found;
}

void LayerSlots::ChooseByHolding(std::vector<std::int32_t>& room, std::span<const double> loads,
                                 std::vector<double>& node_load) {
  const int num_nodes = topology_.num_nodes();
  std::vector<std::int32_t> held(node_of_group_.size() * static_cast<std::size_t>(num_nodes), 0);
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    if (expert_in(slot) == kEmptySlot) continue;
    ++At(held, expert_in(slot) / group_size_ * num_nodes + topology_.node_of_gpu(topology_.gpu_of_slot(slot)));
  }
  std::vector<std::int32_t> order;  // pairs of group and node that hold anything, most first
  for (int pair = 0; pair < static_cast<int>(held.size()); ++pair) {
    if (At(held, pair) > 0) order.push_back(pair);
  }
  std::ranges::stable_sort(order, [&](int a, int b) { return At(held, a) > At(held, b); });
  for (const std::int32_t pair : order) {
    const int group = pair / num_nodes;
    const int node = pair % num_nodes;
    if (At(node_of_group_, group) >= 0 || At(room, node) == 0) continue;
    At(node_of_group_, group) = node;
    At(node_load, node) += At(loads, group);
    --At(room, node);
  }
}

void LayerSlots::ChooseGroupNodes(std::span<const double> loads) {
  const int groups = topology_.num_groups();
  std::vector<double> group_load(static_cast<std::size_t>(groups), 0.0);
  for (int expert = 0; expert < num_experts_; ++expert) {
    At(group_load, expert / group_size_) += loads.empty() ? 1.0 : At(loads, expert);
  }
  std::vector<std::int32_t> room;
  for (const GroupPacking::Node& node : nodes_) room.push_back(node.speed > 0 ? node.room : 0);
  std::vector<double> node_load(nodes_.size(), 0.0);
  node_of_group_.assign(static_cast<std::size_t>(groups), -1);
  ChooseByHolding(room, group_load, node_load);

  std::vector<std::int32_t> order(static_cast<std::size_t>(groups));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return At(group_load, a) > At(group_load, b); });
  for (const std::int32_t group : order) {
    if (At(node_of_group_, group) >= 0) continue;
    int best = -1;
    double least = 0;
    for (int node = 0; node < topology_.num_nodes(); ++node) {
      if (At(room, node) == 0) continue;
      const double carried = (At(node_load, node) + At(group_load, group)) / At(nodes_, node).speed;
      if (best >= 0 && carried >= least) continue;
      best = node;
      least = carried;
    }
    if (best < 0) return;
    At(node_of_group_, group) = best;
    At(node_load, best) += At(group_load, group);
    --At(room, best);
  }
}

int LayerSlots::FindOn(int gpu, int expert) const {
  const int end = topology_.first_slot(gpu + 1);
  for (int slot = topology_.first_slot(gpu); slot < end; ++slot) {
    if (expert_in(slot) == expert) return slot;
  }
  return -1;
}

bool LayerSlots::HoldsOnNode(int node, int expert) const {
  for (std::int32_t slot = At(first_of_expert_, expert); slot >= 0; slot = At(next_of_expert_, slot)) {
    if (topology_.node_of_gpu(topology_.gpu_of_slot(slot)) == node) return true;
  }
  return false;
}

bool LayerSlots::FindTwins(int expert) const {
  for (std::int32_t slot = At(first_of_expert_, expert); slot >= 0; slot = At(next_of_expert_, slot)) {
    const int gpu = topology_.gpu_of_slot(slot);
    for (std::int32_t other = At(next_of_expert_, slot); other >= 0; other = At(next_of_expert_, other)) {
      if (topology_.gpu_of_slot(other) == gpu) return true;
    }
  }
  return false;
}

int LayerSlots::CountNodes(int expert) const {
  int nodes = 0;
  ForEachReplica(expert, [&](std::int32_t slot) {
    const int node = topology_.node_of_gpu(topology_.gpu_of_slot(slot));
    bool first = true;
    for (std::int32_t other = At(first_of_expert_, expert); other != slot; other = At(next_of_expert_, other)) {
      first = first && topology_.node_of_gpu(topology_.gpu_of_slot(other)) != node;
    }
    nodes += first ? 1 : 0;
  });
  return nodes;
}

int LayerSlots::CountAtHome(int expert) const {
  int replicas = 0;
  ForEachReplica(expert, [&](std::int32_t slot) { replicas += AtHome(topology_.gpu_of_slot(slot), expert); });
  return replicas;
}

int LayerSlots::FillableSlot(int gpu) const {
  if (At(empty_on_gpu_, gpu) == 0 || used_slots_ >= slot_budget_ || topology_.excluded(gpu)) return -1;
  int slot = topology_.first_slot(gpu);
  while (expert_in(slot) != kEmptySlot) ++slot;
  return slot;
}

void LayerSlots::Link(int slot, std::int32_t expert) {
  At(slots_, slot) = expert;
  At(next_of_expert_, slot) = At(first_of_expert_, expert);
  At(first_of_expert_, expert) = slot;
  missing_experts_ -= ++At(replicas_, expert) == 1;
  --At(empty_on_gpu_, topology_.gpu_of_slot(slot));
  ++used_slots_;
  At(gpu_bits_, expert) |= BitOf(topology_.gpu_of_slot(slot));
  At(has_twins_, expert) = FindTwins(expert);
}

void LayerSlots::Unlink(int slot) {
  const std::int32_t expert = expert_in(slot);
  std::int32_t* link = &At(first_of_expert_, expert);
  while (*link != slot) link = &At(next_of_expert_, *link);
  *link = At(next_of_expert_, slot);
  At(slots_, slot) = kEmptySlot;
  missing_experts_ += --At(replicas_, expert) == 0;
  ++At(empty_on_gpu_, topology_.gpu_of_slot(slot));
  --used_slots_;
  std::uint64_t bits = 0;
  ForEachReplica(expert, [&](std::int32_t other) { bits |= BitOf(topology_.gpu_of_slot(other)); });
  At(gpu_bits_, expert) = bits;
  At(has_twins_, expert) = FindTwins(expert);
}

void LayerSlots::Assign(int slot, std::int32_t expert) {
  if (expert_in(slot) != kEmptySlot) Unlink(slot);
  if (expert != kEmptySlot) Link(slot, expert);
}

bool LayerSlots::MayDropWithinRules(int slot) const {
  const std::int32_t expert = expert_in(slot);
  if (replicas(expert) <= std::max(1, constraints_.min_replicas)) return false;
  if (constraints_.min_nodes_per_expert <= 1) return true;
  const int node = topology_.node_of_gpu(topology_.gpu_of_slot(slot));
  int on_node = 0;
  ForEachReplica(expert,
                 [&](std::int32_t other) { on_node += topology_.node_of_gpu(topology_.gpu_of_slot(other)) == node; });
  return on_node > 1 || CountNodes(expert) > constraints_.min_nodes_per_expert;
}

bool LayerSlots::KeepsSpread(int slot, int to_gpu) const {
  if (!has_rules_ || constraints_.min_nodes_per_expert <= 1) return true;
  const int from_node = topology_.node_of_gpu(topology_.gpu_of_slot(slot));
  const int to_node = topology_.node_of_gpu(to_gpu);
  if (from_node == to_node) return true;
  const std::int32_t expert = expert_in(slot);
  int on_node = 0;
  ForEachReplica(
      expert, [&](std::int32_t other) { on_node += topology_.node_of_gpu(topology_.gpu_of_slot(other)) == from_node; });
  return on_node > 1 || !HoldsOnNode(to_node, expert) || CountNodes(expert) > constraints_.min_nodes_per_expert;
}

}  // namespace eplb
