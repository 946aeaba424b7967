#include "server/balancer/search/pair_shares.h"

#include <algorithm>

#include "server/balancer/search/twin_repair.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {

PairShares::PairShares(const Topology& topology, const PlacementConstraints& constraints, int num_experts)
    : topology_(topology), min_replicas_(constraints.min_replicas) {
  pairs_ = num_experts >= 2 && constraints.min_nodes_per_expert == 1 &&
           (!constraints.honour_groups || topology.num_nodes() == 1);
  gpus_.Resize(topology.num_usable_gpus());
  int count = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    gpus_[count++] = gpu;
    pairs_ = pairs_ && topology.slots_on(gpu) == 2 && topology.speed(gpu) == topology.speed(gpus_[0]);
  }
  slots_on_.Assign(count, 2);
  speeds_.Assign(count, count > 0 ? topology.speed(gpus_[0]) : 1.0);
}

bool PairShares::Applies(std::span<const std::int32_t> slots) const {
  return pairs_ && std::ranges::all_of(gpus_, [&](std::int32_t gpu) {
           const std::size_t first = Index(topology_.first_slot(gpu));
           return slots[first] != kEmptySlot && slots[first + 1] != kEmptySlot;
         });
}

// Leaves the best counts of the walks, the first of which starts from the layout's, the others from the greedy ones.
void PairShares::WalkCounts(std::span<const PairCounts::Walk> walks, double floor, PseudoRandom* random,
                            WorkMeter* work) {
  double least = -1;
  for (const PairCounts::Walk& walk : walks) {
    const double max = pair_counts_.Run(walk, min_replicas_, floor, floor, random, work, &layout_);
    if (least < 0 || max < least) {
      least = max;
      best_ = layout_.replicas;
    }
    counts_.Run(min_replicas_, &layout_);
  }
  for (int expert = 0; expert < layout_.num_experts; ++expert) layout_.SetReplicas(expert, best_[expert]);
}

void PairShares::Run(std::span<const double> loads, double floor, PseudoRandom* random, WorkMeter* work,
                     std::span<std::int32_t> slots) {
  layout_.Reset({.loads = loads, .slots_on = slots_on_.span(), .speed = speeds_.span(), .min_replicas = min_replicas_});
  best_.Assign(layout_.num_experts, 0);
  for (const std::int32_t gpu : gpus_) {
    const std::size_t first = Index(topology_.first_slot(gpu));
    ++best_[slots[first]];
    ++best_[slots[first + 1]];
  }
  for (int expert = 0; expert < layout_.num_experts; ++expert) layout_.SetReplicas(expert, best_[expert]);
  const std::int64_t moves = work->left() / 4;
  const PairCounts::Walk walks[] = {{.level = 0.9, .tolerance = 1.0, .max_moves = moves, .shares = true},
                                    {.level = 0.5, .tolerance = 1.2, .max_moves = moves, .shares = true}};
  WalkCounts(walks, floor * layout_.scale * speeds_[0], random, work);
  first_layout_.Fold(&layout_);
  RepairTwins(min_replicas_, &layout_);
  for (int i = 0; i < gpus_.size(); ++i) {
    const std::size_t first = Index(topology_.first_slot(gpus_[i]));
    slots[first] = layout_.expert_in[2 * i];
    slots[first + 1] = layout_.expert_in[2 * i + 1];
  }
}

}  // namespace eplb
