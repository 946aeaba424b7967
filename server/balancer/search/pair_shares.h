#ifndef EPLB_SERVER_BALANCER_SEARCH_PAIR_SHARES_H_
#define EPLB_SERVER_BALANCER_SEARCH_PAIR_SHARES_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/first_layout.h"
#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/pair_counts.h"
#include "server/balancer/search/pseudo_random.h"
#include "server/balancer/search/replica_counts.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/work_meter.h"
#include "server/model/constraints.h"
#include "server/model/topology.h"

namespace eplb {

// Placements for traffic shares on GPUs of two slots and equal speed. As with even shares the counts are everything
// (pair_counts.h), but what a hot expert's GPUs carry is now their average: the heaviest partner that one of its
// replicas has no longer matters, only the sum of them all. Reuses its buffers; not thread-safe.
class PairShares {
 public:
  PairShares(const Topology& topology, const PlacementConstraints& constraints, int num_experts);

  // Whether the fleet and the rules are such that Run may be called, given that these slots are to be replaced: all of
  // the usable ones are in use, two on each GPU.
  bool Applies(std::span<const std::int32_t> slots) const;

  // Replaces the slots by others with better counts, starting from theirs: better for shares if the walk found such,
  // which the caller sees by valuing them. floor: tokens per unit of speed that no placement can beat.
  void Run(std::span<const double> loads, double floor, PseudoRandom* random, WorkMeter* work,
           std::span<std::int32_t> slots);

 private:
  void WalkCounts(std::span<const PairCounts::Walk> walks, double floor, PseudoRandom* random, WorkMeter* work);

  const Topology& topology_;
  const int min_replicas_;
  bool pairs_ = false;
  FlatArray<std::int32_t> gpus_;  // that are not excluded
  FlatArray<std::int32_t> slots_on_;
  FlatArray<double> speeds_;
  ReplicaLayout layout_;
  ReplicaCounts counts_;
  PairCounts pair_counts_;
  FirstLayout first_layout_;
  FlatArray<std::int32_t> best_;  // [experts] counts
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_PAIR_SHARES_H_
