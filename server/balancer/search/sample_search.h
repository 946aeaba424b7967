#ifndef EPLB_SERVER_BALANCER_SEARCH_SAMPLE_SEARCH_H_
#define EPLB_SERVER_BALANCER_SEARCH_SAMPLE_SEARCH_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/pseudo_random.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/spread_rules.h"
#include "server/balancer/search/work_meter.h"

namespace eplb {

// Improves a layout for several load samples at once, or under a rule about nodes, where the faster search for one
// sample without rules cannot go:
//   minimise  sum over samples k of weight(k) * max over GPUs g of load_k(g) / speed(g).
// From the hottest GPU of each sample in turn it takes the best exchange of two replicas, and where there is none the
// best change of what one slot holds (one expert loses a replica, another gains one); where there is neither, a few
// random exchanges and the descent from there, kept if better. The hottest three GPUs of each sample are enough to know
// the maxima after an exchange between any two. Deterministic; reuses its buffers; not thread-safe.
class SampleSearch {
 public:
  struct Problem {
    FlatArray<double> loads;          // [experts x samples]
    FlatArray<double> weights;        // [samples] > 0
    FlatArray<std::int32_t> node_of;  // [gpus]
    int min_replicas = 1;
    int min_nodes = 1;
  };

  // Improves `layout`, whose replicas and slots keep the rules and go on doing so; its loads are left as they were.
  // An evaluated move is charged once for each sample. Stops when the work is exhausted or, unless `patient`, when half
  // of what it did brought nothing.
  void Run(const Problem& problem, bool patient, WorkMeter* work, ReplicaLayout* layout);

  // Of the layout that Run left.
  double objective() const { return objective_; }

 private:
  struct Move {
    double objective;
    int slot = -1;
    int partner = -1;          // exchange with this slot ...
    std::int32_t expert = -1;  // ... or hold this expert instead
  };
  struct Hottest {
    std::int32_t gpu[3];
  };

  double Floor() const;
  void Recompute();
  void RankGpus();
  double MaxWithout(int sample, int gpu, int other) const;
  bool Descend(WorkMeter* work);
  void TryExchanges(int gpu, WorkMeter* work, Move* best);
  double AfterExchange(int slot, int partner, double give_up) const;
  bool MayExchange(int slot, int partner) const;
  void TryChanges(int gpu, WorkMeter* work, Move* best);
  void TryChange(int slot, std::int32_t expert, WorkMeter* work, Move* best);
  double AfterChange(int slot, std::int32_t expert);
  void Apply(const Move& move);
  void ExchangeSlots(int slot, int partner);
  void Shake();
  double Share(std::int32_t expert, int sample) const { return share_[expert * samples_ + sample]; }

  const Problem* problem_ = nullptr;
  ReplicaLayout* layout_ = nullptr;
  int samples_ = 0;
  double objective_ = 0;
  PseudoRandom random_{0};
  SpreadRules spread_;
  FlatArray<double> share_;     // [experts x samples] load per replica
  FlatArray<double> time_;      // [gpus x samples] load over speed
  FlatArray<double> changed_;   // [gpus x samples] after a change under test
  FlatArray<double> without_;   // [samples] maximum over the GPUs but two
  FlatArray<Hottest> hottest_;  // [samples]
  FlatArray<std::int32_t> saved_slots_;
  FlatArray<std::int32_t> saved_replicas_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_SAMPLE_SEARCH_H_
