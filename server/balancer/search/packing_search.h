#ifndef EPLB_SERVER_BALANCER_SEARCH_PACKING_SEARCH_H_
#define EPLB_SERVER_BALANCER_SEARCH_PACKING_SEARCH_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/count_enumeration.h"
#include "server/balancer/search/count_refinement.h"
#include "server/balancer/search/exchange_chain.h"
#include "server/balancer/search/exchange_scan.h"
#include "server/balancer/search/first_layout.h"
#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/packing_problem.h"
#include "server/balancer/search/pair_counts.h"
#include "server/balancer/search/pair_exchange.h"
#include "server/balancer/search/pseudo_random.h"
#include "server/balancer/search/refold.h"
#include "server/balancer/search/replica_counts.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/work_meter.h"

namespace eplb {

// Solves a PackingProblem as well as the work allows, in four stages; each is skipped once the maximum is good enough:
// 1. replica counts by the greedy rule, placed by folding (or longest first), improved by refolds;
// 2. exchanges that relieve the hottest GPU: single, pairs, chains, until none is left;
// 3. better counts where they decide: every set of counts if there are few, else exchanges that lower the pressure;
// 4. rounds of refolds, random changes of counts and places and stage 2 from the best layout so far, which
//    is kept whenever a round does not end better.
// Deterministic. Owns its buffers: planning layer after layer of one shape allocates nothing. Not thread-safe.
class PackingSearch {
 public:
  struct Settings {
    // Stop when the maximum is within this ratio of what no layout can beat: the mean, or the heaviest replica under
    // counts that make it as light as can be.
    double tolerance = 1e-4;
    // Stop when the maximum is at most this (in the problem's units, load per speed): nothing is gained below it.
    double enough = 0.0;
    // Spend all work on what stage 4 may still find; else stop once half of the work done brought nothing.
    bool patient = false;
  };

  // Every stage charges `work` and ends when it is exhausted.
  void Run(const PackingProblem& problem, const Settings& settings, WorkMeter* work);

  // Starts again from a given layout, the expert in each slot, every expert at least min_replicas times, for the
  // problem that Run() was last called with. Kept if better than the best so far once its twins are taken apart.
  void Offer(std::span<const std::int32_t> expert_in, WorkMeter* work);

  // The best layout found, without twins but for GPUs on which min_replicas forces them.
  const ReplicaLayout& best() const { return best_; }
  // Its maximum load per speed, in the problem's units.
  double best_max() const { return best_max_ / best_.scale; }
  // Whether the maximum is within the settings' tolerance, or enough.
  bool GoodEnough() const { return best_max_ <= good_enough_; }

 private:
  void Place();
  void RefoldRounds(int rounds, WorkMeter* work);
  void Relieve(WorkMeter* work);
  void Improve(int refolds, WorkMeter* work);
  bool KeepIfBetter();
  void RefineCounts(WorkMeter* work);
  void RefinePairCounts(WorkMeter* work);
  void EnumerateCounts(WorkMeter* work);
  void Explore(bool patient, WorkMeter* work);
  void ShiftReplica();
  void Shake();
  void TryLongestFirst();

  bool uniform() const { return layout_.even_slots && layout_.equal_speeds; }

  int min_replicas_ = 1;
  int least_slots_ = 1;       // on any GPU
  double floor_ = 1.0;        // no layout has a lower maximum
  double good_enough_ = 1.0;  // stop at this maximum
  double best_max_ = 0.0;
  PseudoRandom random_{0};
  ReplicaLayout layout_;
  ReplicaLayout best_;
  FlatArray<std::int32_t> every_gpu_;
  ReplicaCounts counts_;
  FlatArray<std::int32_t> greedy_counts_;  // [experts] by counts_
  CountRefinement refinement_;
  CountEnumeration enumeration_;
  PairCounts pair_counts_;
  FirstLayout first_layout_;
  Refold refold_;
  ExchangeScan scan_;
  PairExchange pairs_;
  ExchangeChain chain_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_PACKING_SEARCH_H_
