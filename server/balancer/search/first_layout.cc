#include "server/balancer/search/first_layout.h"

#include <algorithm>

#include "server/balancer/reference/key_heap.h"

namespace eplb {

// The order of the last layout stands while loads per replica and counts do.
void FirstLayout::OrderReplicas(const ReplicaLayout& layout) {
  bool same = expert_weight_.size() == layout.num_experts && ordered_.size() == layout.num_slots &&
              std::ranges::equal(counts_, layout.replicas);
  expert_weight_.Resize(layout.num_experts);
  for (int expert = 0; expert < layout.num_experts; ++expert) {
    const auto weight = static_cast<float>(layout.replica_load[expert]);
    same &= expert_weight_[expert] == weight;
    expert_weight_[expert] = weight;
  }
  if (same) return;
  counts_ = layout.replicas;
  ordered_.Resize(layout.num_slots);
  int next = 0;
  last_copies_ = 0;
  for (const std::int32_t expert : descending_.Sort(expert_weight_.span())) {
    for (int copy = 0; copy < layout.replicas[expert]; ++copy) ordered_[next++] = expert;
    if (layout.replicas[expert] > 1) last_copies_ = next;
  }
}

// Columns of `num_gpus` replicas, each ascending, so that entry i of column c is replica (c + 1) * num_gpus - 1 - i.
void FirstLayout::CutColumns(const ReplicaLayout& layout) {
  const int height = layout.num_gpus;
  const int columns = layout.num_slots / height;
  entry_.Resize(layout.num_slots);
  head_.Resize(layout.num_slots);
  tail_.Resize(layout.num_slots);
  next_.Assign(layout.num_slots, -1);
  spread_.Resize(columns);
  folded_away_.Assign(columns, 0);
  for (int column = 0; column < columns; ++column) {
    const int first = column * height;
    for (int row = 0; row < height; ++row) {
      const int replica = first + height - 1 - row;
      entry_[first + row] = expert_weight_[ordered_[replica]];
      head_[first + row] = replica;
      tail_[first + row] = replica;
    }
    spread_[column] = Spread(column, height);
  }
}

float FirstLayout::Spread(int column, int height) const {
  return entry_[(column + 1) * height - 1] - entry_[column * height];
}

void FirstLayout::FoldColumns(int into, int from, int height) {
  folded_.Resize(height);
  folded_head_.Resize(height);
  folded_tail_.Resize(height);
  for (int row = 0; row < height; ++row) {
    const int large = into * height + row;
    const int small = from * height + height - 1 - row;
    folded_[row] = entry_[large] + entry_[small];
    next_[tail_[large]] = head_[small];
    folded_head_[row] = head_[large];
    folded_tail_[row] = tail_[small];
  }
  int row = into * height;
  for (const std::int32_t source : ascending_.Sort(folded_.span())) {
    entry_[row] = folded_[source];
    head_[row] = folded_head_[source];
    tail_[row] = folded_tail_[source];
    ++row;
  }
  spread_[into] = Spread(into, height);
  folded_away_[from] = 1;
}

void FirstLayout::Fold(ReplicaLayout* layout) {
  OrderReplicas(*layout);
  CutColumns(*layout);
  const int height = layout->num_gpus;
  const int columns = layout->num_slots / height;
  int last = 0;
  for (int folds = 1; folds < columns; ++folds) {
    int widest = -1;
    int second = -1;
    for (int column = 0; column < columns; ++column) {
      if (folded_away_[column]) continue;
      if (widest < 0 || spread_[column] > spread_[widest]) {
        second = widest;
        widest = column;
      } else if (second < 0 || spread_[column] > spread_[second]) {
        second = column;
      }
    }
    FoldColumns(widest, second, height);
    last = widest;
  }
  for (int gpu = 0; gpu < height; ++gpu) {
    int slot = layout->first_slot[gpu];
    for (int replica = head_[last * height + gpu]; replica >= 0; replica = next_[replica]) {
      layout->Put(slot++, ordered_[replica]);
    }
  }
  layout->RecomputeLoads();
}

bool FirstLayout::LongestFirst(double give_up, ReplicaLayout* layout) {
  OrderReplicas(*layout);
  fill_.Copy(layout->first_slot.span());
  layout->gpu_load.Assign(layout->num_gpus, 0.0);
  heap_.Resize(layout->num_gpus);
  // The heap has its largest key on top: complemented keys put the least loaded GPU there.
  const auto key = [](double load_per_speed, int gpu) {
    const std::uint64_t bits = OrderedBits(static_cast<float>(load_per_speed));
    return ~((bits << 32) | static_cast<std::uint32_t>(gpu));
  };
  for (int gpu = 0; gpu < layout->num_gpus; ++gpu) heap_[gpu] = key(0.0, gpu);
  std::span<std::uint64_t> heap(heap_.data(), static_cast<std::size_t>(layout->num_gpus));
  MakeHeap(heap);
  bool twins = false;
  bool passed = false;
  for (int next = 0; next < ordered_.size(); ++next) {
    const std::int32_t expert = ordered_[next];
    const int gpu = static_cast<std::int32_t>(static_cast<std::uint32_t>(~heap[0]));
    const int slot = fill_[gpu]++;
    // All replicas of an expert come in a row.
    twins |= slot > layout->first_slot[gpu] && layout->expert_in[slot - 1] == expert;
    layout->expert_in[slot] = expert;
    layout->gpu_load[gpu] += layout->replica_load[expert];
    const double load = layout->LoadPerSpeed(gpu);
    passed |= load >= give_up;
    if (passed && !twins && next + 1 >= last_copies_) return false;
    if (slot + 1 < layout->first_slot[gpu + 1]) {
      SiftDown(heap, 0, key(load, gpu));
    } else {
      const std::uint64_t last = heap.back();
      heap = heap.first(heap.size() - 1);
      if (!heap.empty()) SiftDown(heap, 0, last);
    }
  }
  layout->RecomputeLoads();
  return true;
}

}  // namespace eplb
