#include "server/balancer/search/spread_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace eplb {

void SpreadRules::Reset(int min_nodes, std::span<const std::int32_t> node_of, const ReplicaLayout& layout) {
  min_nodes_ = min_nodes;
  node_of_.Copy(node_of);
  if (min_nodes_ <= 1) return;
  num_nodes_ = 1 + *std::ranges::max_element(node_of);
  on_node_.Assign(layout.num_experts * num_nodes_, 0);
  nodes_held_.Assign(layout.num_experts, 0);
  for (int slot = 0; slot < layout.num_slots; ++slot) Add(layout.expert_in[slot], layout.gpu_of[slot]);
}

void SpreadRules::Add(std::int32_t expert, int gpu) {
  if (min_nodes_ > 1 && Count(expert, gpu)++ == 0) ++nodes_held_[expert];
}

void SpreadRules::Remove(std::int32_t expert, int gpu) {
  if (min_nodes_ > 1 && --Count(expert, gpu) == 0) --nodes_held_[expert];
}

bool SpreadRules::MayMove(std::int32_t expert, int from_gpu, int to_gpu) const {
  if (min_nodes_ <= 1 || node_of_[from_gpu] == node_of_[to_gpu]) return true;
  const int left = Count(expert, from_gpu) == 1 ? 1 : 0;
  const int entered = Count(expert, to_gpu) == 0 ? 1 : 0;
  return nodes_held_[expert] - left + entered >= min_nodes_;
}

bool SpreadRules::MayDrop(std::int32_t expert, int from_gpu) const {
  return min_nodes_ <= 1 || Count(expert, from_gpu) > 1 || nodes_held_[expert] > min_nodes_;
}

bool SpreadRules::RepairExpert(std::int32_t expert, ReplicaLayout* layout) {
  double least = std::numeric_limits<double>::infinity();
  int best_slot = -1;
  int best_partner = -1;
  for (int slot = 0; slot < layout->num_slots; ++slot) {
    const int gpu = layout->gpu_of[slot];
    if (layout->expert_in[slot] != expert || Count(expert, gpu) < 2) continue;
    for (int partner = 0; partner < layout->num_slots; ++partner) {
      const int other = layout->gpu_of[partner];
      const std::int32_t taken = layout->expert_in[partner];
      if (Count(expert, other) > 0) continue;
      const double distance = std::abs(layout->replica_load[taken] - layout->replica_load[expert]);
      // The partner's expert must lose nothing by it: it keeps the rule, or its number of nodes if it does not yet.
      const bool harmless = MayMove(taken, other, gpu) || Count(taken, other) > 1 || Count(taken, gpu) == 0;
      if (distance >= least || !harmless || layout->Holds(gpu, taken)) continue;
      least = distance;
      best_slot = slot;
      best_partner = partner;
    }
  }
  if (best_slot < 0) return false;
  const std::int32_t taken = layout->expert_in[best_partner];
  const int gpu = layout->gpu_of[best_slot];
  const int other = layout->gpu_of[best_partner];
  Remove(expert, gpu);
  Add(expert, other);
  Remove(taken, other);
  Add(taken, gpu);
  layout->Exchange(best_slot, best_partner);
  return true;
}

void SpreadRules::Repair(int min_replicas, ReplicaLayout* layout) {
  if (min_nodes_ <= 1) return;
  for (std::int32_t expert = 0; expert < layout->num_experts; ++expert) {
    while (nodes_held_[expert] < min_nodes_) {
      if (RepairExpert(expert, layout)) continue;
      Rebuild(min_replicas, layout);
      return;
    }
  }
}

void SpreadRules::PutNext(int gpu, std::int32_t expert, ReplicaLayout* layout) {
  const int slot = layout->first_slot[gpu + 1] - free_[gpu]--;
  layout->expert_in[slot] = expert;
  ++layout->replicas[expert];
  --node_room_[node_of_[gpu]];
  Add(expert, gpu);
}

// Each expert in turn goes to the nodes with the most room that lack it. Taking from the fullest stock first never
// fails where anything succeeds (the greedy proof of the theorem of Gale and Ryser).
void SpreadRules::PlaceOnDistinctNodes(ReplicaLayout* layout) {
  for (const std::int32_t expert : by_load_) {
    for (int copy = 0; copy < min_nodes_; ++copy) {
      int best = -1;
      for (int gpu = 0; gpu < layout->num_gpus; ++gpu) {
        if (free_[gpu] == 0 || Count(expert, gpu) > 0) continue;
        const int room = node_room_[node_of_[gpu]];
        const int best_room = best < 0 ? -1 : node_room_[node_of_[best]];
        if (room > best_room || (room == best_room && free_[gpu] > free_[best])) best = gpu;
      }
      if (best < 0) return;
      PutNext(best, expert, layout);
    }
  }
}

void SpreadRules::PlaceOnDistinctGpus(int min_replicas, ReplicaLayout* layout) {
  for (const std::int32_t expert : by_load_) {
    while (layout->replicas[expert] < min_replicas) {
      int best = -1;
      for (int gpu = 0; gpu < layout->num_gpus; ++gpu) {
        if (free_[gpu] == 0 || layout->Holds(gpu, expert)) continue;
        if (best < 0 || free_[gpu] > free_[best]) best = gpu;
      }
      if (best < 0) break;
      PutNext(best, expert, layout);
    }
  }
}

// Every slot that is left goes to the heaviest expert per replica that its GPU lacks.
void SpreadRules::FillSlots(ReplicaLayout* layout) {
  for (int gpu = 0; gpu < layout->num_gpus; ++gpu) {
    while (free_[gpu] > 0) {
      std::int32_t heaviest = -1;
      double most = -1;
      for (std::int32_t expert = 0; expert < layout->num_experts; ++expert) {
        const double load = layout->load[expert] / std::max(1, layout->replicas[expert]);
        if (load <= most || layout->Holds(gpu, expert)) continue;
        most = load;
        heaviest = expert;
      }
      PutNext(gpu, heaviest, layout);
    }
  }
}

void SpreadRules::Rebuild(int min_replicas, ReplicaLayout* layout) {
  layout->replicas.Assign(layout->num_experts, 0);
  layout->expert_in.Assign(layout->num_slots, -1);
  on_node_.Assign(layout->num_experts * num_nodes_, 0);
  nodes_held_.Assign(layout->num_experts, 0);
  free_.Resize(layout->num_gpus);
  node_room_.Assign(num_nodes_, 0);
  for (int gpu = 0; gpu < layout->num_gpus; ++gpu) {
    free_[gpu] = layout->slots_on(gpu);
    node_room_[node_of_[gpu]] += free_[gpu];
  }
  by_load_.Resize(layout->num_experts);
  std::iota(by_load_.begin(), by_load_.end(), 0);
  std::ranges::stable_sort(by_load_, std::greater<>(), [layout](std::int32_t expert) { return layout->load[expert]; });
  PlaceOnDistinctNodes(layout);
  PlaceOnDistinctGpus(min_replicas, layout);
  FillSlots(layout);
  for (int expert = 0; expert < layout->num_experts; ++expert) {
    layout->SetReplicas(expert, std::max(1, layout->replicas[expert]));
  }
  layout->RecomputeLoads();
}

}  // namespace eplb
