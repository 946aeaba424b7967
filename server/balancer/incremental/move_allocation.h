#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_ALLOCATION_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_ALLOCATION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "server/balancer/incremental/layer_planner.h"

namespace eplb {

// What a fetch must earn. A price keeps a placement from being changed for gains that are not worth the transfers; the
// hysteresis keeps it from being changed for gains that are hardly worth them, which noise brings now and then.
struct FetchPrice {
  double tokens = 0;      // of gain that one fetch must bring, tokens per unit of speed; 0: no price
  double hysteresis = 0;  // a layer is changed only if it gains its price and this part of it more
  // [layers] what a layer must gain to be changed at all, since noise alone would promise as much; empty: nothing.
  std::vector<double> least_gain = {};
  // What moves gain counts only as far as it is beyond this many standard deviations of its noise (Move::noise), with
  // noise_ratio [layers] as in LayerSample; empty: no noise.
  double noise_margin = 0;
  std::vector<double> noise_ratio = {};
  // Fetches over all layers beyond which one must bring `extra_tokens` of gain; unset: all are alike.
  std::optional<std::int64_t> usual_fetches = {};
  double extra_tokens = 0;

  bool operator==(const FetchPrice&) const = default;
};

// How many of each layer's moves a plan makes.
struct MoveAllocation {
  std::vector<int> taken;  // [layers] first moves of each
  std::int64_t fetches = 0;
  std::vector<int> refused_fetches;  // [layers] of balancing moves that are not worth the price
};

// Layers compete for a budget of fetches. Each layer offers its moves in order; what it gains by the first n fetches is
// made concave (runs of moves that pay off only together become one offer of their mean gain per fetch), and the best
// offers are taken until the budget is spent: the greedy solution of a knapsack of concave gains, which is optimal but
// for the last, partly taken offer (Kellerer, Pferschy and Pisinger, "Knapsack Problems", 2.2 and 11.1). Coverage moves
// are taken whatever they cost, then repairs, layers taking turns; both count against the budget and pay no price. Ties
// go to the lower layer.
MoveAllocation AllocateMoves(std::span<const LayerMoves> layers, std::int64_t max_fetches, const FetchPrice& price);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_ALLOCATION_H_
