#ifndef EPLB_SERVER_BALANCER_SEARCH_SHARE_SEARCH_H_
#define EPLB_SERVER_BALANCER_SEARCH_SHARE_SEARCH_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/layer_search.h"
#include "server/balancer/search/pair_shares.h"
#include "server/balancer/search/pseudo_random.h"
#include "server/balancer/search/share_objective.h"
#include "server/balancer/search/work_meter.h"

namespace eplb {

// Improves a layer's placement for engines that route by traffic shares: minimises what the largest GPU load is once
// the shares are the best for the placement (shares/share_optimizer.h), where LayerSearch assumes even ones.
//
// That load is the tightest cut: a set H of hot GPUs, all equally loaded, whose experts have no replica elsewhere that
// could take a token more. So only what reaches across H's border can help, and two kinds of moves do:
//   * exchange a replica on a GPU of H with a lighter one outside: its load leaves H, or, where it has other replicas
//     in H, it becomes a way by which H's load can leave;
//   * give the slot of a spare replica outside to an expert that is stuck in H: another such way.
// Each is scored by what the averages over H, and over H and the other GPU, allow; the most promising are valued
// exactly, and the first that lowers the objective is taken. Where none does, a few random exchanges and the descent
// from there, kept if better.
//
// Keeps every rule that the placement keeps, and the number of slots in use. Deterministic. Reuses its buffers; not
// thread-safe: one for each worker.
class ShareSearch {
 public:
  // problem.work_limit: as for LayerSearch, and as much again; 0 for its default.
  explicit ShareSearch(const SearchProblem& problem);

  // samples: at least one; see ShareObjective for what is minimised. floor: what no placement can beat; near it the
  // search stops. slots: [num_slots], every expert on a GPU that is not excluded; improved in place, never worsened.
  void Run(std::span<const SampleLoads> samples, double floor, std::span<std::int32_t> slots);

  // Of the slots that Run left.
  double objective() const { return best_; }

 private:
  struct Move {
    double score = 0;          // what the GPU loads concerned may come to
    int slot = -1;             // on a hot GPU: exchanged with `other`; -1: `other` gets `expert`
    int other = -1;            // on a GPU that is not hot
    std::int32_t expert = -1;  // in `slot`, or stuck on hot GPUs
  };

  double Value(std::span<const std::int32_t> slots);
  void ListHolders(std::span<const std::int32_t> slots);
  void TakeStock(std::span<const std::int32_t> slots);
  void TryPairs(double floor, std::span<std::int32_t> slots);
  void Descend(std::span<std::int32_t> slots);
  bool Step(std::span<std::int32_t> slots);
  void ScoreExchanges(std::span<const std::int32_t> slots);
  void ScoreReplacements(std::span<const std::int32_t> slots);
  double ExchangeScore(std::int32_t given, int other, std::int32_t taken) const;
  double ReplacementScore(std::int32_t expert, int other, std::int32_t dropped) const;
  bool MayExchange(std::span<const std::int32_t> slots, int slot, int other) const;
  bool MayReplace(std::span<const std::int32_t> slots, int slot, std::int32_t expert) const;
  bool MayMove(std::int32_t expert, int from_gpu, int to_gpu) const;
  bool Holds(std::span<const std::int32_t> slots, int gpu, std::int32_t expert) const;
  void Offer(const Move& move);
  void Apply(const Move& move, std::span<std::int32_t> slots) const;
  void Shake(int round, std::span<std::int32_t> slots);
  bool ShiftReplica(bool stuck, std::span<std::int32_t> slots);
  std::span<const std::int32_t> HoldersOf(std::int32_t expert) const;

  const Topology& topology_;
  const PlacementConstraints& constraints_;
  const std::int64_t work_limit_;
  const bool patient_;
  ShareObjective objective_;
  PairShares pairs_;
  WorkMeter work_{0};
  PseudoRandom random_{0};
  double best_ = 0;
  double value_ = 0;  // of the slots at hand
  // The slots at hand.
  FlatArray<std::int32_t> usable_slots_;  // of GPUs that are not excluded
  FlatArray<std::int32_t> first_holder_;  // [experts + 1]
  FlatArray<std::int32_t> holders_;       // GPUs that are not excluded, expert by expert
  FlatArray<double> sent_;                // [slots] tokens that the slot gets
  FlatArray<std::uint8_t> hot_;           // [gpus] whether in H
  FlatArray<std::uint8_t> stuck_;         // [experts] whether it sends tokens to H
  double hot_tokens_ = 0;
  double hot_speed_ = 0;
  FlatArray<Move> moves_;  // the best so far, by rising score
  FlatArray<std::int32_t> trial_;
  FlatArray<std::int32_t> saved_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_SHARE_SEARCH_H_
