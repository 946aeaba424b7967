#include "server/balancer/lower_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/balancer/search/group_nodes.h"
#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {
namespace {

constexpr double kNearEnough = 1e-4;
constexpr double kRounding = 1e-9;
// Bisections towards the min-max replica load, before replicas are given one by one.
constexpr int kLimitsTried = 6;

}  // namespace

LowerBound::LowerBound(const Topology& topology, const PlacementConstraints& constraints, int num_experts)
    : least_slots_(std::numeric_limits<int>::max()),
      least_replicas_(std::max({1, constraints.min_replicas, constraints.min_nodes_per_expert})),
      num_groups_(topology.num_groups()) {
  if (constraints.honour_groups && topology.num_nodes() > 1 && num_experts % topology.num_groups() == 0) {
    nodes_ = NodesForGroups(topology, num_experts, constraints.min_replicas);
    for (GroupPacking::Node& node : nodes_) node.least = 0;
  }
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu) || topology.slots_on(gpu) == 0) continue;
    total_speed_ += topology.speed(gpu);
    top_speed_ = std::max(top_speed_, topology.speed(gpu));
    usable_slots_ += topology.slots_on(gpu);
    least_slots_ = std::min(least_slots_, topology.slots_on(gpu));
  }
}

// At least as many replicas as it takes to make none heavier than the limit, beyond `least` of each.
int LowerBound::CountReplicasFor(double limit, int least) const {
  const double inverse = (1 + kRounding) / limit;
  int added = 0;
  for (const Candidate& candidate : heap_) added += std::max(least, static_cast<int>(candidate.load * inverse) + 1);
  return added - least * static_cast<int>(heap_.size());
}

// Gives each as few replicas as make none heavier than the limit; returns how many beyond `least` of each.
int LowerBound::SplitTo(double limit, int least) {
  int added = 0;
  for (Candidate& candidate : heap_) {
    int replicas = std::max(least, static_cast<int>(candidate.load / limit));
    // As the division rounds, which is what replicas are compared by.
    while (candidate.load / replicas > limit) ++replicas;
    candidate.replicas = replicas;
    candidate.load_per_replica = candidate.load / replicas;
    added += replicas - least;
  }
  return added;
}

double LowerBound::MinMaxReplicaLoad(std::span<const double> loads, int slots) {
  const auto num_experts = static_cast<int>(loads.size());
  const int least = std::min(least_replicas_, slots / num_experts);
  int extra = slots - least * num_experts;
  double heaviest = 0;
  double total = 0;
  for (const double load : loads) {
    heaviest = std::max(heaviest, load);
    total += load;
  }
  // The heaviest replica is no lighter than their mean, so lighter experts are never split.
  double low = total / slots * (1 - kRounding);
  double high = heaviest / least;
  if (extra == 0 || heaviest <= 0) return high;
  heap_.clear();
  for (const double load : loads) {
    if (load / least > low) heap_.push_back({load / least, load, least});
  }
  // The splits down to any limit come before those below it: start from a limit that nearly takes up the slots.
  for (int i = 0; i < kLimitsTried; ++i) {
    const double middle = (low + high) / 2;
    (CountReplicasFor(middle, least) <= extra ? high : low) = middle;
  }
  extra -= SplitTo(high, least);
  std::make_heap(heap_.begin(), heap_.end());
  for (; extra > 0; --extra) {
    std::pop_heap(heap_.begin(), heap_.end());
    Candidate& candidate = heap_.back();
    ++candidate.replicas;
    candidate.load_per_replica = candidate.load / candidate.replicas;
    std::push_heap(heap_.begin(), heap_.end());
  }
  return heap_.front().load_per_replica;
}

double LowerBound::HeaviestNode(std::span<const double> loads) {
  if (nodes_.empty()) return 0;
  const std::size_t group_size = loads.size() / Index(num_groups_);
  group_loads_.assign(Index(num_groups_), 0.0);
  for (std::size_t expert = 0; expert < loads.size(); ++expert) group_loads_[expert / group_size] += loads[expert];
  const bool possible = !groups_.Run(group_loads_, nodes_).empty();
  return possible && groups_.proven() ? groups_.max() : 0;
}

double LowerBound::ProveFor(Shares shares, std::span<const double> loads, int slots, double reached) {
  EPLB_CHECK(!loads.empty() && slots >= static_cast<int>(loads.size()));
  double total = 0;
  for (const double load : loads) total += load;
  const double mean = std::max(total / total_speed_, HeaviestNode(loads));
  if (reached > 0 && mean >= reached * (1 - kNearEnough)) return mean;
  const double heaviest = MinMaxReplicaLoad(loads, slots);
  const double bound = std::max(mean, heaviest / top_speed_);
  if (bound <= 0 || (reached > 0 && bound >= reached * (1 - kNearEnough))) return bound;
  const CompanyBound::Shape shape{.slots = usable_slots_,
                                  .replicas = std::min(slots, usable_slots_),
                                  .least_slots = least_slots_,
                                  .heaviest = heaviest};
  const double tokens = bound * top_speed_;
  return (shares == Shares::kEven ? company_.Raise(loads, shape, tokens)
                                  : company_.RaiseForAnyShares(loads, shape, tokens)) /
         top_speed_;
}

double LowerBound::Prove(std::span<const double> loads, int slots, double reached) {
  return ProveFor(Shares::kEven, loads, slots, reached);
}

double LowerBound::ProveForAnyShares(std::span<const double> loads, int slots, double reached) {
  return ProveFor(Shares::kAny, loads, slots, reached);
}

double LayerLowerBound(std::span<const double> loads, int slots, const Topology& topology) {
  return LowerBound(topology).Prove(loads, slots);
}

}  // namespace eplb
