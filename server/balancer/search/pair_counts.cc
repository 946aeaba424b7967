#include "server/balancer/search/pair_counts.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace eplb {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Judging one set of counts costs about as much as this many evaluated exchanges for each expert.
constexpr std::int64_t kMovesPerExpert = 2;

bool Before(double left_load, std::int32_t left, double right_load, std::int32_t right) {
  return left_load != right_load ? left_load > right_load : left < right;
}

}  // namespace

void PairCounts::Sort(const ReplicaLayout& layout) {
  order_.Resize(layout.num_experts);
  for (int expert = 0; expert < layout.num_experts; ++expert) {
    order_[expert] = {layout.replica_load[expert], layout.replicas[expert], expert};
  }
  std::ranges::sort(order_, [](const Replicas& left, const Replicas& right) {
    return Before(left.load, left.expert, right.load, right.expert);
  });
}

// Walks from both ends to the middle, many equal pairs at a step. Gives up once the excess is above `give_up`.
PairCounts::Verdict PairCounts::Judge(const FlatArray<Replicas>& order, int num_gpus, double level, double give_up,
                                      bool shares) const {
  const Replicas* heavy = order.data();
  const Replicas* light = order.data() + order.size() - 1;
  int heavy_left = heavy->count;
  int light_left = light->count;
  Verdict verdict{0, 0};
  double partners = 0;  // of the heavy expert, with shares
  for (int pairs = num_gpus; pairs > 0;) {
    const int equal = heavy == light ? pairs : std::min({heavy_left, light_left, pairs});
    pairs -= equal;
    heavy_left -= equal;
    light_left -= equal;
    double load = heavy->load + light->load;
    int weight = equal;
    if (shares) {
      partners += equal * light->load;
      weight = heavy_left == 0 || pairs == 0 ? heavy->count - heavy_left : 0;
      load = weight == 0 ? 0 : heavy->load + partners / weight;
      if (weight > 0) partners = 0;
    }
    verdict.max = std::max(verdict.max, load);
    if (load > level) {
      verdict.excess += weight * (load - level) * (load - level);
      if (verdict.excess > give_up) return {kInfinity, kInfinity};
    }
    if (heavy_left == 0) heavy_left = (++heavy)->count;
    if (light_left == 0) light_left = (--light)->count;
  }
  return verdict;
}

// The order after one replica goes from one expert to another.
void PairCounts::Propose(int giver, int taker, const ReplicaLayout& layout) {
  std::array<Replicas, 2> changed{
      {{layout.load[giver] / (layout.replicas[giver] - 1), layout.replicas[giver] - 1, giver},
       {layout.load[taker] / (layout.replicas[taker] + 1), layout.replicas[taker] + 1, taker}}};
  if (Before(changed[1].load, taker, changed[0].load, giver)) std::swap(changed[0], changed[1]);
  proposed_.Resize(order_.size());
  Replicas* to = proposed_.data();
  std::size_t next = 0;
  for (const Replicas& replicas : order_) {
    if (replicas.expert == giver || replicas.expert == taker) continue;
    while (next < changed.size() && Before(changed[next].load, changed[next].expert, replicas.load, replicas.expert)) {
      *to++ = changed[next++];
    }
    *to++ = replicas;
  }
  while (next < changed.size()) *to++ = changed[next++];
}

double PairCounts::Run(const Walk& walk, int min_replicas, double floor, double goal, PseudoRandom* random,
                       WorkMeter* work, ReplicaLayout* layout) {
  Sort(*layout);
  best_ = layout->replicas;
  double best_max = Judge(order_, layout->num_gpus, kInfinity, kInfinity, walk.shares).max;
  double level = floor + (best_max - floor) * walk.level;
  double excess = Judge(order_, layout->num_gpus, level, kInfinity, walk.shares).excess;
  const std::int64_t step = kMovesPerExpert * layout->num_experts;
  std::int64_t draws = 0;
  for (std::int64_t moves = 0; moves < walk.max_moves && best_max > goal && !work->exhausted();) {
    // Draws that are not worth judging cost little, but not nothing.
    if (++draws % 16 == 0) moves += step / 16 + 1;
    const int giver = random->Below(layout->num_experts);
    const int taker = random->Below(layout->num_experts);
    const int replicas = layout->replicas[giver];
    if (giver == taker || replicas <= min_replicas || layout->replicas[taker] >= layout->num_gpus) continue;
    if (layout->load[giver] >= best_max * (replicas - 1)) continue;
    moves += step;
    work->Charge(step);
    Propose(giver, taker, *layout);
    const Verdict verdict = Judge(proposed_, layout->num_gpus, level, excess * walk.tolerance, walk.shares);
    if (verdict.excess > excess * walk.tolerance) continue;
    excess = verdict.excess;
    std::swap(order_, proposed_);
    layout->SetReplicas(giver, replicas - 1);
    layout->SetReplicas(taker, layout->replicas[taker] + 1);
    if (verdict.max >= best_max) continue;
    best_max = verdict.max;
    best_ = layout->replicas;
    level = floor + (best_max - floor) * walk.level;
    excess = Judge(order_, layout->num_gpus, level, kInfinity, walk.shares).excess;
  }
  for (int expert = 0; expert < layout->num_experts; ++expert) layout->SetReplicas(expert, best_[expert]);
  return best_max;
}

}  // namespace eplb
