#include "server/balancer/search/count_refinement.h"

#include <algorithm>
#include <array>
#include <limits>

namespace eplb {
namespace {

constexpr double kLeastPressureGain = 1e-9;
// Beyond so many an insertion sort is slower than one from scratch.
constexpr int kMovesPerExpert = 8;

}  // namespace

void CountRefinement::SortRuns(const ReplicaLayout& layout) {
  const auto heavier = [&layout](std::int32_t left, std::int32_t right) {
    return layout.replica_load[left] != layout.replica_load[right]
               ? layout.replica_load[left] > layout.replica_load[right]
               : left < right;
  };
  if (order_.size() != layout.num_experts) {
    order_.Resize(layout.num_experts);
    for (int expert = 0; expert < layout.num_experts; ++expert) order_[expert] = expert;
  }
  // The order is that of the last counts, which mostly differ in a few experts: insertion. Else it is sorted from
  // there.
  int moves_left = kMovesPerExpert * layout.num_experts;
  for (int i = 1; i < layout.num_experts && moves_left > 0; ++i) {
    const std::int32_t expert = order_[i];
    int place = i;
    for (; place > 0 && heavier(expert, order_[place - 1]); --place) order_[place] = order_[place - 1];
    order_[place] = expert;
    moves_left -= i - place;
  }
  if (moves_left <= 0) std::ranges::sort(order_, heavier);
}

// Walks down the heavy end and up the light end of the runs at once.
CountRefinement::Peak CountRefinement::Evaluate(int num_gpus, int slots_per_gpu) const {
  Peak peak{0, 0};
  int heavy = 0;
  int heavy_left = runs_[0].count;
  int light = runs_.size() - 1;
  int light_left = runs_[light].count;
  double sum = 0;
  for (int i = 1; i <= num_gpus; ++i) {
    double company = 0;
    for (int taken = 1; taken < slots_per_gpu; ++taken) {
      while (light_left == 0 && light > 0) light_left = runs_[--light].count;
      company += runs_[light].load;
      --light_left;
    }
    while (heavy_left == 0) heavy_left = runs_[++heavy].count;
    --heavy_left;
    const double pair = runs_[heavy].load + company;
    sum += pair;
    const double pressure = slots_per_gpu == 2 ? pair : sum / i;
    if (pressure > peak.pressure) peak = {pressure, runs_[heavy].load};
    // Beyond this the sums only shrink: a lighter replica cannot come with company that outweighs it by more.
    if (heavy == light) break;
  }
  return peak;
}

double CountRefinement::Pressure(const ReplicaLayout& layout) {
  SortRuns(layout);
  runs_.Resize(0);
  runs_.Resize(layout.num_experts);
  for (int i = 0; i < layout.num_experts; ++i) {
    runs_[i] = {layout.replica_load[order_[i]], layout.replicas[order_[i]]};
  }
  return Evaluate(layout.num_gpus, layout.slots_on(0)).pressure;
}

CountRefinement::Peak CountRefinement::EvaluateExchange(int giver, int taker, const ReplicaLayout& layout) {
  std::array<Run_, 2> changed{{{layout.load[giver] / (layout.replicas[giver] - 1), layout.replicas[giver] - 1},
                               {layout.load[taker] / (layout.replicas[taker] + 1), layout.replicas[taker] + 1}}};
  if (changed[0].load < changed[1].load) std::swap(changed[0], changed[1]);
  runs_.Resize(layout.num_experts);
  std::size_t next = 0;
  int count = 0;
  for (const std::int32_t expert : order_) {
    if (expert == giver || expert == taker) continue;
    while (next < 2 && changed[next].load > layout.replica_load[expert]) runs_[count++] = changed[next++];
    runs_[count++] = {layout.replica_load[expert], layout.replicas[expert]};
  }
  while (next < 2) runs_[count++] = changed[next++];
  return Evaluate(layout.num_gpus, layout.slots_on(0));
}

bool CountRefinement::Step(int min_replicas, double pressure, const Peak& peak, WorkMeter* work,
                           ReplicaLayout* layout) {
  double best = pressure - kLeastPressureGain;
  int best_giver = -1;
  int best_taker = -1;
  for (int giver = 0; giver < layout->num_experts; ++giver) {
    const int replicas = layout->replicas[giver];
    if (replicas <= min_replicas || layout->load[giver] / (replicas - 1) >= best) continue;
    for (const std::int32_t taker : order_) {
      if (layout->replica_load[taker] < peak.lightest_critical || work->exhausted()) break;
      if (taker == giver || layout->replicas[taker] >= layout->num_gpus) continue;
      work->Charge(layout->num_experts);
      const double found = EvaluateExchange(giver, taker, *layout).pressure;
      if (found >= best) continue;
      best = found;
      best_giver = giver;
      best_taker = taker;
    }
  }
  if (best_giver < 0) return false;
  layout->SetReplicas(best_giver, layout->replicas[best_giver] - 1);
  layout->SetReplicas(best_taker, layout->replicas[best_taker] + 1);
  return true;
}

bool CountRefinement::Run(int min_replicas, double goal, WorkMeter* work, ReplicaLayout* layout) {
  bool changed = false;
  while (!work->exhausted()) {
    SortRuns(*layout);
    runs_.Resize(layout->num_experts);
    for (int i = 0; i < layout->num_experts; ++i) {
      runs_[i] = {layout->replica_load[order_[i]], layout->replicas[order_[i]]};
    }
    const Peak peak = Evaluate(layout->num_gpus, layout->slots_on(0));
    if (peak.pressure <= goal || !Step(min_replicas, peak.pressure, peak, work, layout)) break;
    changed = true;
  }
  return changed;
}

}  // namespace eplb
