#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/exchange_search.h"
#include "server/balancer/incremental/hot_gpus.h"
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
// more closely with the tangent of the third, which is convex in the load that g gets. What is left is tried slot by
// slot, with all experts in one loop without branches.
//
// Where a and b have other replicas on the same GPU both effects meet there and the gain is larger than their sum.
// These pairs are tried apart, where the GPU is among those with the largest terms: b moves load from it to g, so the
// two gain at most what they would if their loads became equal, and the other GPUs what b relieves them of. Exchanges
// are looked for where one side is among those GPUs: see ExchangeSearch.
//
// One move changes few GPUs. What is known of the others is kept: see ReplicaValues.
//
// Owns its buffers; not thread-safe; keeps references.
class MoveSearch {
 public:
  MoveSearch(const LayerSlots& slots, const LoadPotential& potential);

  // The best move of at most max_fetches (>= 1) that gains more than min_gain_per_fetch (>= 0) tokens per fetch, or one
  // with num_changes 0. Ties go to what is found first.
  Move FindBest(int max_fetches, double min_gain_per_fetch);

  // Gain of giving a slot another expert, to first order in P and exact in which GPUs are touched.
  double GainOfReplacing(int slot, std::int32_t expert) {
    return ScaledGainOfReplacing(slot, expert) * potential_.tokens_per_term();
  }
  // Gain of taking the expert out of a slot.
  double GainOfEmptying(int slot) { return GainOfReplacing(slot, kEmptySlot); }

 private:
  // A slot that may get another expert.
  struct Source {
    std::int32_t slot = 0;
    std::int32_t gpu = 0;
    double value = 0;  // gain on its own GPU of taking the slot's expert out, less the loss on those of its replicas
    double slope = 0;  // of its own GPU's term without the slot's expert, in the first sample
  };

  // Experts that may get one replica more, in columns of which the first `count` are used.
  struct Additions {
    explicit Additions(std::size_t size) : experts(size), value(size), charge(size), later_charge(size), gain(size) {}

    int count = 0;
    std::vector<std::int32_t> experts;
    std::vector<double> value;         // gain on the GPUs that hold it
    std::vector<double> charge;        // of the new replica in the first sample
    std::vector<double> later_charge;  // scratch, as the next: in another one
    std::vector<double> gain;
  };

  void FindSources();
  Source SourceOf(int slot, int gpu) const;
  bool HasTwins(const Source& source) const {
    const std::int32_t expert = slots_.expert_in(source.slot);
    return expert != kEmptySlot && slots_.HasTwins(expert);
  }
  void SearchReplacements();
  int MostValuedOn(int gpu) const;  // an expert
  // Finds what may be worth adding.
  void FindAdditions();
  // What one of them gains at most where the source is, the loss on its GPU taken by the tangent of a term that is no
  // steeper.
  double MostAdded(const Source& source) const;
  void TryAdditions(const Source& source);
  void TryReplacement(const Source& source, int expert);
  // gain: of the replacement's parts, as if the two experts had no GPU in common.
  void ConsiderReplacement(const Source& source, int expert, double gain);
  // Of the source's GPU without what is in the slot.
  double EmptiedAmount(const Source& source, int sample) const;
  // Part of a replacement's gain: the expert put on the source's GPU, after the slot's own was taken out; below 0.
  double GainOnOwnGpu(const Source& source, int expert) const;
  // What giving a slot another expert gains more, on the GPUs that hold replicas of both its own expert and that one,
  // than the effects of both replica counts taken apart; at least 0. Neither may have twins.
  double Overlap(int slot, int expert) const;
  // Replacements whose experts both have replicas on one hot GPU.
  void SearchOverlapping(int gpu);
  // shared_slot: of the GPU, with the source's expert.
  void TryOverlapping(const Source& source, int gpu, int shared_slot);
  // Of a replacement with an expert of the GPU, what that GPU gains at most and the source's loses at least once its
  // slot is emptied.
  double IdealOverlap(const Source& source, int gpu) const;
  void TryOverlappingPair(const Source& source, int expert);
  double ScaledGainOfReplacing(int slot, std::int32_t expert);
  void AddDelta(int gpu, double* deltas, double delta);

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  HotGpus hot_;
  ReplicaValues values_;
  ExchangeSearch exchanges_;
  BestMove best_;
  std::vector<Source> source_space_;  // [slots]
  std::span<const Source> sources_;   // slots that may get another expert, in order
  double most_dropped_ = 0;           // largest value of the sources
  double least_slope_ = 0;            // of the sources
  double most_slope_ = 0;             // same
  std::vector<double> most_added_;    // by the additions, at slopes that rise from the least in even steps
  double steps_per_slope_ = 0;
  Additions additions_;
  std::vector<double> delta_;          // [samples, gpus] scratch, zero between calls
  std::vector<std::int32_t> touched_;  // GPUs with a delta
  std::vector<char> is_touched_;       // [gpus]
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_
