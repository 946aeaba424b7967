#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_

#include <cstdint>
#include <vector>

#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"
#include "server/balancer/incremental/move.h"

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
    std::int32_t slot;
    double relief;        // gain on its own GPU of taking the slot's expert out, 0 for an empty slot
    double value;         // less the loss on the GPUs of the expert's other replicas
    double emptied_term;  // of its own GPU without the slot's expert
    double slope;         // of that GPU's term, in the first sample
  };
  // An expert that may get one replica more.
  struct Addition {
    std::int32_t expert;
    double value;   // gain on the GPUs that hold it
    double charge;  // of each replica then, in the first sample
  };

  void RankGpus();
  void Prepare();
  // For each replica on a GPU: what the GPU gains if its expert gets one more elsewhere, and loses if there is one
  // less.
  void ValueReplicas(int gpu);
  void MarkTwins();
  // By which a replica's charge rises if its expert loses another one; there must be another.
  double ExtraCharge(int expert, int sample) const;
  Addition AdditionOf(int expert) const {
    return {.expert = expert, .value = At(value_of_add_, expert), .charge = potential_.next_charge(expert, 0)};
  }
  Source Drop(int slot) const;
  Source Fill(int slot) const;
  void SearchReplacements();
  // Part of a replacement's gain: the expert put on the source's GPU, after the slot's own was taken out; below 0.
  double GainOnOwnGpu(const Source& source, int expert) const;
  // What giving a slot another expert gains more, on the GPUs that hold replicas of both its own expert and that one,
  // than the effects of both replica counts taken apart; at least 0. Neither may have twins.
  double Overlap(int slot, int expert) const;
  void TryReplacement(const Source& source, const Addition& addition);
  void TryOverlapping(const Source& source);
  void ConsiderReplacement(int slot, int expert);
  void SearchExchanges(bool with_exchanges);
  void SearchGpuPair(int from, int to, bool with_exchanges);
  double IdealExchange(int from, int to) const;
  double IdealShift(int from, int to) const;  // of load, in the first sample
  double GainOfExchange(int from, int to, std::int32_t leaving, std::int32_t coming) const;
  bool ExchangeAllowed(int slot, int other) const;
  void AddDelta(int gpu, int sample, double delta);

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  double best_rate_ = 0;  // gain per fetch of best_
  Move best_;
  std::vector<double> value_of_slot_;   // [slots] part of its expert's value_of_add_
  std::vector<double> loss_of_slot_;    // [slots] what its GPU loses if another replica of its expert goes
  std::vector<double> value_of_add_;    // [experts]
  std::vector<char> has_twins_;         // [experts]
  std::vector<Source> sources_;         // slots that may be replaced
  std::vector<double> heat_;            // [gpus] terms per unit of speed
  std::vector<std::int32_t> hot_gpus_;  // those with the largest terms, falling
  std::vector<char> is_hot_;            // [gpus] 0: no, else yes
  std::vector<Addition> additions_;     // experts that may be worth adding
  std::vector<double> delta_;           // [gpus, samples] scratch, zero between calls
  std::vector<std::int32_t> touched_;   // GPUs with a delta
  std::vector<char> is_touched_;        // [gpus]
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_SEARCH_H_
