#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"
#include "server/balancer/incremental/move.h"
#include "server/balancer/incremental/replica_values.h"

namespace eplb {

// Finds the move that lowers a layer's potential most per fetch. It knows
//   replace  a slot whose expert may lose a replica, or an empty one, gets another expert      1 fetch
//   relocate an expert moves to an empty slot of another GPU                                   1 fetch
//   exchange two slots of different GPUs exchange their experts                                2 fetches
// and never makes a twin.
//
// Replacing expert a by b in a slot of GPU g changes three things: the other replicas of a get heavier, the other
// replicas of b lighter, and g holds b instead of a. The first depends on the slot only, the second on b only, so they
// are computed once, and branch and bound over (slot, b) pairs finds the best: the first two bound the gain from above,
// more closely with the tangent of the third, which is convex in the load that g gets. (Where a and b have other
// replicas on the same GPU both effects meet there and the gain is larger than their sum; these pairs are bounded and
// tried apart, where the GPU is among those with the largest terms.) Exchanges are bounded, for each pair of GPUs, by
// what the ideal exchange would gain, and looked for where one side is among the GPUs with the largest terms.
//
// Owns its buffers; not thread-safe; keeps references.
class MoveSearch {
 public:
  MoveSearch(const LayerSlots& slots, const LoadPotential& potential);

  // The best move of at most max_fetches (>= 1) that gains more than min_gain_per_fetch (>= 0) tokens per fetch, or one
  // with num_changes 0. Ties go to what is found first.
  Move FindBest(int max_fetches, double min_gain_per_fetch);

  // Gain of giving a slot another expert, to first order in P and exact in which GPUs are touched.
  double GainOfReplacing(int slot, std::int32_t expert);
  // Gain of taking the expert out of a slot.
  double GainOfEmptying(int slot) { return GainOfReplacing(slot, kEmptySlot); }

 private:
  // A slot that may get another expert. Sums are over the samples.
  struct Source {
    std::int32_t slot = 0;
    std::int32_t gpu = 0;
    double relief = 0;        // gain on its own GPU of taking the slot's expert out, 0 for an empty slot
    double value = 0;         // less the loss on the GPUs of the expert's other replicas
    double emptied_term = 0;  // of its own GPU without the slot's expert
    double slope = 0;         // of that GPU's term, in the first sample
  };
  // An expert that may get one replica more.
  struct Addition {
    std::int32_t expert;
    double value;   // gain on the GPUs that hold it
    double charge;  // of each replica then, in the first sample
  };

  void RankGpus();
  void InsertHot(int gpu);
  void FindSources();
  Addition AdditionOf(int expert) const {
    return {.expert = expert, .value = values_.value(expert), .charge = potential_.next_charge(expert, 0)};
  }
  Source Drop(int slot, int gpu) const;
  Source Fill(int slot, int gpu) const;
  void SearchReplacements();
  // Part of a replacement's gain: the expert put on the source's GPU, after the slot's own was taken out; below 0.
  double GainOnOwnGpu(const Source& source, int expert) const;
  // What giving a slot another expert gains more, on the GPUs that hold replicas of both its own expert and that one,
  // than the effects of both replica counts taken apart; at least 0. Neither may have twins.
  double Overlap(int slot, int expert) const;
  void TryReplacement(const Source& source, const Addition& addition);
  // Replacements whose experts both have replicas on one hot GPU: there the dropped one adds a load x and the other
  // takes off r. With the GPU's slope the tangent bounds what that gains by slope * (r - x), first without the choice
  // of the experts and then for each pair.
  void SearchOverlapping();
  void CollectOverlaps(int gpu);
  double OverlapSlope(int gpu) const;  // 0 where there are several samples, which are not bounded so
  void TryOverlapping(const Source& source, int gpu);
  void TryOverlapping(const Source& source, int gpu, int slot);
  void ConsiderReplacement(int slot, int expert);
  void SearchExchanges(bool with_exchanges);
  void SearchGpuPair(int from, int to, bool with_exchanges);
  double IdealExchange(int from, int to) const;
  double IdealShift(int from, int to) const;  // of load, in the first sample
  double GainOfExchange(int from, int to, std::int32_t leaving, std::int32_t coming) const;
  bool ExchangeAllowed(int slot, int other) const;
  void AddDelta(int gpu, double* deltas, double delta);

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  ReplicaValues values_;
  double best_rate_ = 0;  // gain per fetch of best_
  Move best_;
  std::vector<double> slope_;                 // [gpus] of the term in the first sample
  std::vector<double> amount_;                // [gpus] in the first sample
  std::vector<double> heat_;                  // [gpus] terms per unit of speed
  std::vector<std::int32_t> hot_gpus_;        // those with the largest terms, falling
  std::vector<char> is_hot_;                  // [gpus] 0: no, else yes
  std::vector<Source> sources_;               // slots that may be replaced, in order
  double most_dropped_ = 0;                   // largest value of the sources
  double least_slope_ = 0;                    // of the sources
  std::vector<std::int32_t> source_of_slot_;  // [slots] whose experts have other replicas: index, or -1
  std::vector<Addition> additions_;           // experts that may be worth adding
  // [slots] of hot GPUs: what one replica more of the expert gains at most, and what it is charged in the first sample.
  std::vector<double> overlap_value_;
  std::vector<double> overlap_charge_;
  std::vector<std::pair<std::int32_t, std::int32_t>> overlaps_;  // sources, and hot GPUs that hold their expert too
  std::vector<std::int32_t> targets_;                            // GPUs that an exchange may go to
  std::vector<double> delta_;                                    // [samples, gpus] scratch, zero between calls
  std::vector<std::int32_t> touched_;                            // GPUs with a delta
  std::vector<char> is_touched_;                                 // [gpus]
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_
