#include "server/balancer/shares/share_optimizer.h"

#include <algorithm>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {
namespace {

// Loads closer to a part's scale than this fraction of it are at it.
constexpr double kTolerance = 1e-12;
// After so many searches the marks of earlier ones are wiped and the numbers start again.
constexpr std::int32_t kMostSearches = 1 << 30;

}  // namespace

ShareOptimizer::ShareOptimizer(const Topology& topology, int num_experts)
    : topology_(topology),
      first_usable_(Index(num_experts) + 1),
      first_arc_(Index(num_experts) + 1),
      first_of_gpu_(Index(topology.num_gpus()) + 1),
      tokens_(Index(topology.num_gpus())),
      part_of_(Index(topology.num_gpus())),
      gpu_seen_(Index(topology.num_gpus()), 0),
      expert_seen_(Index(num_experts), 0),
      share_(Index(topology.num_slots())),
      gpu_load_(Index(topology.num_gpus())) {
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (!topology.excluded(gpu)) usable_speed_ += topology.speed(gpu);
  }
}

void ShareOptimizer::Run(std::span<const std::int32_t> slots, std::span<const double> loads) {
  Solve(slots, loads, Depth::kAll);
  WriteShares(slots);
}

double ShareOptimizer::OptimalShareLoad(std::span<const std::int32_t> slots, std::span<const double> loads) {
  Solve(slots, loads, Depth::kMaximum);
  return max_load_;
}

double ShareOptimizer::balancedness() const {
  return max_load_ > 0 ? std::min(1.0, total_load_ / usable_speed_ / max_load_) : 1.0;
}

double ShareOptimizer::Sent(std::int32_t expert, int gpu) const {
  for (std::int32_t i = first_arc_[Index(expert)]; i < first_arc_[Index(expert) + 1]; ++i) {
    if (arcs_[Index(i)].gpu == gpu) return arcs_[Index(i)].tokens;
  }
  return 0;
}

void ShareOptimizer::Solve(std::span<const std::int32_t> slots, std::span<const double> loads, Depth depth) {
  EPLB_CHECK(slots.size() == share_.size() && loads.size() + 1 == first_arc_.size());
  total_load_ = 0;
  for (const double load : loads) total_load_ += load;
  if (search_ > kMostSearches) {
    std::ranges::fill(gpu_seen_, 0);
    std::ranges::fill(expert_seen_, 0);
    search_ = 0;
  }
  GroupSlots(slots);
  BuildArcs(loads);
  IndexArcsByGpu();
  Decompose(depth);
  max_load_ = 0;
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    gpu_load_[Index(gpu)] = tokens_[Index(gpu)] / topology_.speed(gpu);
    max_load_ = std::max(max_load_, gpu_load_[Index(gpu)]);
  }
}

void ShareOptimizer::GroupSlots(std::span<const std::int32_t> slots) {
  std::ranges::fill(first_usable_, 0);
  usable_slots_.resize(slots.size());
  const auto for_each_usable = [&](const auto& body) {
    for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
      if (topology_.excluded(gpu)) continue;
      for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
        if (slots[Index(slot)] != kEmptySlot) body(Index(slots[Index(slot)]), slot);
      }
    }
  };
  for_each_usable([&](std::size_t expert, int) { ++first_usable_[expert]; });
  // Counts become ends, and each slot put in front of its end moves that towards the beginning.
  for (std::size_t expert = 1; expert < first_usable_.size(); ++expert) {
    first_usable_[expert] += first_usable_[expert - 1];
  }
  for_each_usable([&](std::size_t expert, int slot) { usable_slots_[Index(--first_usable_[expert])] = slot; });
}

void ShareOptimizer::BuildArcs(std::span<const double> loads) {
  std::ranges::fill(tokens_, 0.0);
  std::ranges::fill(part_of_, -1);
  part_gpus_.clear();
  arcs_.clear();
  for (std::size_t expert = 0; expert < loads.size(); ++expert) {
    first_arc_[expert] = static_cast<std::int32_t>(arcs_.size());
    const std::span<const std::int32_t> replicas(usable_slots_.data() + first_usable_[expert],
                                                 usable_slots_.data() + first_usable_[expert + 1]);
    if (replicas.empty() || loads[expert] == 0) continue;
    const int only_gpu = topology_.gpu_of_slot(replicas[0]);
    if (topology_.gpu_of_slot(replicas.back()) == only_gpu) {
      tokens_[Index(only_gpu)] += loads[expert];
      continue;
    }
    const double even = loads[expert] / static_cast<double>(replicas.size());
    for (const std::int32_t slot : replicas) {
      const int gpu = topology_.gpu_of_slot(slot);
      tokens_[Index(gpu)] += even;
      if (arcs_.size() > Index(first_arc_[expert]) && arcs_.back().gpu == gpu) {
        arcs_.back().tokens += even;  // a twin
        continue;
      }
      arcs_.push_back({.expert = static_cast<std::int32_t>(expert), .gpu = gpu, .tokens = even});
      if (part_of_[Index(gpu)] < 0) part_gpus_.push_back(gpu);
      part_of_[Index(gpu)] = 0;
    }
  }
  first_arc_.back() = static_cast<std::int32_t>(arcs_.size());
}

void ShareOptimizer::IndexArcsByGpu() {
  std::ranges::fill(first_of_gpu_, 0);
  for (const Arc& arc : arcs_) ++first_of_gpu_[Index(arc.gpu)];
  for (std::size_t gpu = 1; gpu < first_of_gpu_.size(); ++gpu) first_of_gpu_[gpu] += first_of_gpu_[gpu - 1];
  arcs_of_gpu_.resize(arcs_.size());
  for (std::size_t i = arcs_.size(); i-- > 0;) {
    arcs_of_gpu_[Index(--first_of_gpu_[Index(arcs_[i].gpu)])] = static_cast<std::int32_t>(i);
  }
}

void ShareOptimizer::Decompose(Depth depth) {
  parts_.clear();
  if (!part_gpus_.empty()) parts_.push_back({.begin = 0, .end = part_gpus_.size()});
  for (std::int32_t number = 1; !parts_.empty(); ++number) {
    const Part part = parts_.back();
    parts_.pop_back();
    double tokens = 0;
    double speed = 0;
    for (std::size_t i = part.begin; i < part.end; ++i) {
      const std::int32_t gpu = part_gpus_[i];
      part_of_[Index(gpu)] = number;
      tokens += tokens_[Index(gpu)];
      speed += topology_.speed(gpu);
    }
    if (part.end - part.begin == 1) continue;
    const double scale = tokens / speed;
    while (MoveLoad(part, scale)) {
    }
    // What the last search reached comes first.
    const auto begin = part_gpus_.begin() + static_cast<std::ptrdiff_t>(part.begin);
    const auto end = part_gpus_.begin() + static_cast<std::ptrdiff_t>(part.end);
    const auto middle = std::partition(begin, end, [&](std::int32_t gpu) { return gpu_seen_[Index(gpu)] == search_; });
    if (middle == begin || middle == end) continue;  // all are at the scale
    const auto split = static_cast<std::size_t>(middle - part_gpus_.begin());
    if (depth == Depth::kAll) parts_.push_back({.begin = split, .end = part.end});
    parts_.push_back({.begin = part.begin, .end = split});
  }
}

bool ShareOptimizer::IsAbove(std::int32_t gpu, double scale) const {
  return tokens_[Index(gpu)] > scale * topology_.speed(gpu) * (1 + kTolerance);
}

bool ShareOptimizer::IsBelow(std::int32_t gpu, double scale) const {
  return tokens_[Index(gpu)] < scale * topology_.speed(gpu) * (1 - kTolerance);
}

bool ShareOptimizer::MoveLoad(const Part& part, double scale) {
  ++search_;
  queue_.clear();
  for (std::size_t i = part.begin; i < part.end; ++i) {
    if (!IsAbove(part_gpus_[i], scale)) continue;
    gpu_seen_[Index(part_gpus_[i])] = search_;
    queue_.push_back({.gpu = part_gpus_[i], .parent = -1, .out_arc = -1, .in_arc = -1});
  }
  bool moved = false;
  for (std::size_t head = 0; head < queue_.size(); ++head) {
    const std::int32_t gpu = queue_[head].gpu;
    const double least = kTolerance * scale * topology_.speed(gpu);
    for (std::int32_t i = first_of_gpu_[Index(gpu)]; i < first_of_gpu_[Index(gpu) + 1]; ++i) {
      const std::int32_t out_arc = arcs_of_gpu_[Index(i)];
      const std::size_t expert = Index(arcs_[Index(out_arc)].expert);
      if (arcs_[Index(out_arc)].tokens <= least || expert_seen_[expert] == search_) continue;
      expert_seen_[expert] = search_;
      for (std::int32_t in_arc = first_arc_[expert]; in_arc < first_arc_[expert + 1]; ++in_arc) {
        const std::int32_t other = arcs_[Index(in_arc)].gpu;
        if (part_of_[Index(other)] != part_of_[Index(gpu)] || gpu_seen_[Index(other)] == search_) continue;
        gpu_seen_[Index(other)] = search_;
        queue_.push_back(
            {.gpu = other, .parent = static_cast<std::int32_t>(head), .out_arc = out_arc, .in_arc = in_arc});
        if (IsBelow(other, scale)) moved |= Augment(queue_.back(), scale);
      }
    }
  }
  return moved;
}

bool ShareOptimizer::Augment(Reached last, double scale) {
  double amount = scale * topology_.speed(last.gpu) - tokens_[Index(last.gpu)];
  Reached at = last;
  for (; at.parent >= 0; at = queue_[Index(at.parent)]) amount = std::min(amount, arcs_[Index(at.out_arc)].tokens);
  amount = std::min(amount, tokens_[Index(at.gpu)] - scale * topology_.speed(at.gpu));
  // A path that an earlier one of this search used up.
  if (amount <= kTolerance * scale * topology_.speed(last.gpu)) return false;
  tokens_[Index(at.gpu)] -= amount;
  tokens_[Index(last.gpu)] += amount;
  for (at = last; at.parent >= 0; at = queue_[Index(at.parent)]) {
    arcs_[Index(at.out_arc)].tokens -= amount;
    arcs_[Index(at.in_arc)].tokens += amount;
  }
  return true;
}

void ShareOptimizer::WriteShares(std::span<const std::int32_t> slots) {
  std::ranges::fill(share_, 0.0);
  for (std::size_t expert = 0; expert + 1 < first_usable_.size(); ++expert) {
    const std::span<const std::int32_t> replicas(usable_slots_.data() + first_usable_[expert],
                                                 usable_slots_.data() + first_usable_[expert + 1]);
    const std::span<const Arc> arcs(arcs_.data() + first_arc_[expert], arcs_.data() + first_arc_[expert + 1]);
    double sent = 0;
    for (const Arc& arc : arcs) sent += arc.tokens;
    for (const std::int32_t slot : replicas) {
      if (arcs.empty()) {
        share_[Index(slot)] = 1.0 / static_cast<double>(replicas.size());
        continue;
      }
      const int gpu = topology_.gpu_of_slot(slot);
      const auto arc = std::ranges::find(arcs, gpu, &Arc::gpu);
      const auto twins =
          std::ranges::count_if(replicas, [&](std::int32_t other) { return topology_.gpu_of_slot(other) == gpu; });
      share_[Index(slot)] = arc->tokens / sent / static_cast<double>(twins);
    }
  }
  // Experts that only excluded GPUs hold: even, so that whoever still serves them knows how.
  const auto is_lost = [&](std::int32_t expert) {
    return expert != kEmptySlot && first_usable_[Index(expert)] == first_usable_[Index(expert) + 1];
  };
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    if (is_lost(slots[slot])) share_[slot] = 1.0 / static_cast<double>(std::ranges::count(slots, slots[slot]));
  }
}

}  // namespace eplb
