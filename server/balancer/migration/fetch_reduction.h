#ifndef EPLB_SERVER_BALANCER_MIGRATION_FETCH_REDUCTION_H_
#define EPLB_SERVER_BALANCER_MIGRATION_FETCH_REDUCTION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/migration/gpu_relabelling.h"
#include "server/model/topology.h"

namespace eplb {

// Saves fetches of a planned layer beyond what naming its GPUs can (GpuRelabelling), at no cost in balance.
//
// Packings of like quality abound: GPUs g and h may exchange k replicas for k others of nearly the same sum without
// making any GPU busier than the busiest is now. Such an exchange is taken if it saves fetches: with `now` what a GPU
// holds in the placement in force, moving expert e from g to h saves [h holds e now] - [g holds e now].
//
// For each fetch (g, e) and each GPU h that holds e now, sets of k = 1, 2, 3 replicas of g with e among them are
// matched with sets of k of h whose load makes up for theirs: the sums of h's sets are kept sorted, so that the few
// that fit are found by bisection. The exchange that saves most is taken, ties to the first found; GPUs in order, until
// a round saves nothing. No twins are made. With RelabelScope::kWholeNodes only GPUs of one node exchange, so that what
// shares a node stays as it is. The limit on each GPU is the largest load over speed at the start, for each sample by
// itself, so the objective cannot rise.
//
// Owns its buffers; not thread-safe; keeps a reference to the topology.
class FetchReduction {
 public:
  FetchReduction(const Topology& topology, int num_experts, RelabelScope scope);

  // current, slots: [num_slots]; slots is changed in place. samples: the layer's loads, [num_experts] each, at least
  // one. Returns the fetches saved.
  int Run(std::span<const std::int32_t> current, std::span<const std::span<const double>> samples,
          std::span<std::int32_t> slots);

 private:
  static constexpr int kMostTogether = 3;

  // Some replicas of one GPU.
  struct Set {
    double load = 0;  // in the first sample
    std::int32_t slots[kMostTogether] = {-1, -1, -1};
  };
  struct Exchange {
    int saved = 0;
    int size = 0;
    Set given;
    Set taken;
  };

  void Start(std::span<const std::int32_t> current, std::span<const std::span<const double>> samples);
  // Exchanges at one slot, which holds a fetch; returns what it saved.
  int ImproveSlot(int gpu, std::int32_t slot, int most_together);
  void MatchSets(int gpu, int other, std::int32_t slot, int size, Exchange* best);
  void TryExchange(int gpu, int other, const Set& given, const Set& taken, int size, Exchange* best) const;
  void Apply(int gpu, int other, const Exchange& exchange);
  int MostTogether(int gpu) const;
  const std::vector<Set>& SetsOf(int gpu, int size);
  double LoadOfSet(const Set& set, int size, std::size_t sample) const;
  bool HoldsNow(int gpu, std::int32_t expert) const;
  bool HoldsPlanned(int gpu, std::int32_t expert) const;

  const Topology& topology_;
  const RelabelScope scope_;
  std::span<std::int32_t> slots_;
  std::size_t num_samples_ = 0;
  int tries_left_ = 0;
  std::vector<double> replica_load_;                // [samples x experts]
  std::vector<double> gpu_load_;                    // [samples x gpus] tokens
  std::vector<double> limit_;                       // [samples x gpus] tokens
  std::vector<std::vector<std::int32_t>> now_;      // [experts] GPUs that hold it in the placement in force, ascending
  std::vector<std::vector<std::int32_t>> planned_;  // [experts] GPUs that are to hold it, in any order
  std::vector<std::vector<Set>> sets_;              // [gpus x kMostTogether] sorted by load; empty: not made yet
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_FETCH_REDUCTION_H_
