#ifndef EPLB_SERVER_BALANCER_SEARCH_PAIR_COUNTS_H_
#define EPLB_SERVER_BALANCER_SEARCH_PAIR_COUNTS_H_

#include <cstdint>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/pseudo_random.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/work_meter.h"

namespace eplb {

// Searches replica counts for GPUs of two slots and equal speed. There the counts are everything: the best pairing of
// given replicas puts the heaviest with the lightest, the next with the next (the fold), twins aside, so a set of
// counts can be judged in one pass over the experts in the order of their replicas' loads.
//
// A random walk: move one replica from an expert to another, keep it unless the sum of squares by which the pairs
// exceed a level grows; each better maximum lowers the level. The sum sees the pairs behind the worst one too, which a
// descent on the maximum alone does not, and is stuck for it: 256 experts in 512 slots go from 0.91 balanced by greedy
// counts to 0.97 in a thousand steps. Reuses its buffers; not thread-safe.
class PairCounts {
 public:
  struct Walk {
    double level = 0.9;      // from what no counts can beat (0) to the best maximum so far (1)
    double tolerance = 1.0;  // ratio by which the sum of squares may grow in a step
    std::int64_t max_moves = 0;
    bool shares = false;  // the replicas of an expert share its load so that their GPUs are equally loaded
  };

  // Starts from the layout's counts and leaves the best found; only replicas and replica_load change. `floor`: what no
  // counts can beat. Ends when the best is at most `goal` or the moves are spent. Returns the pairing's maximum under
  // the best counts.
  double Run(const Walk& walk, int min_replicas, double floor, double goal, PseudoRandom* random, WorkMeter* work,
             ReplicaLayout* layout);

 private:
  // The replicas of one expert.
  struct Replicas {
    double load;
    std::int32_t count;
    std::int32_t expert;
  };
  struct Verdict {
    double max;
    double excess;  // sum of squares above the level
  };
  void Sort(const ReplicaLayout& layout);
  Verdict Judge(const FlatArray<Replicas>& order, int num_gpus, double level, double give_up, bool shares) const;
  void Propose(int giver, int taker, const ReplicaLayout& layout);

  FlatArray<Replicas> order_;     // [experts] heaviest first, ties to the lowest expert
  FlatArray<Replicas> proposed_;  // [experts] the same after a move
  FlatArray<std::int32_t> best_;  // [experts] counts
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_PAIR_COUNTS_H_
