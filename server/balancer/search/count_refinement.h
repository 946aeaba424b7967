#ifndef EPLB_SERVER_BALANCER_SEARCH_COUNT_REFINEMENT_H_
#define EPLB_SERVER_BALANCER_SEARCH_COUNT_REFINEMENT_H_

#include <cstdint>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/work_meter.h"

namespace eplb {

// Replica counts judged without placing anything, for even slots and equal speeds. With few slots per GPU the counts
// decide: the heaviest replicas need the lightest ones for company, and there are only so many. With c slots per GPU
// and replicas a1 >= a2 >= ..., give a1 the c-1 lightest, a2 the next c-1, and so on: sums p1, p2, ... The pressure is
//   max over i of p_i                          with 2 slots per GPU: no pairing of these replicas does better;
//   max over k of (p_1 + ... + p_k) / k        with more: the k GPUs of a1..ak carry at least that on average.
// Example: 600 560 120 120 20 10 10 10 on 8 GPUs x 2 slots. The greedy counts 4 3 2 2 2 1 1 1 leave replicas of 150 (4)
// and 186.7 (3): pressure 186.7 + 10 = 196.7. Counts that also gave the 600 only 3 replicas would have pressure 210.
// Reuses its buffers; not thread-safe.
class CountRefinement {
 public:
  // Takes replicas from one expert and gives them to another, the best exchange first, ties to the lowest giver then
  // taker, while that lowers the pressure and the pressure is above `goal`. Only layout->replicas and replica_load
  // change. Returns whether they did.
  bool Run(int min_replicas, double goal, WorkMeter* work, ReplicaLayout* layout);

  // The pressure of the layout's counts.
  double Pressure(const ReplicaLayout& layout);

 private:
  struct Run_ {
    double load;  // of each replica
    std::int32_t count;
  };
  struct Peak {
    double pressure;
    double lightest_critical;  // load of the last replica that the pressure comes from
  };
  void SortRuns(const ReplicaLayout& layout);
  Peak Evaluate(int num_gpus, int slots_per_gpu) const;
  Peak EvaluateExchange(int giver, int taker, const ReplicaLayout& layout);
  bool Step(int min_replicas, double pressure, const Peak& peak, WorkMeter* work, ReplicaLayout* layout);

  FlatArray<std::int32_t> order_;  // experts, heaviest replica first
  FlatArray<Run_> runs_;           // the replicas of each expert, heaviest first
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_COUNT_REFINEMENT_H_
