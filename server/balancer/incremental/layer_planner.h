#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_PLANNER_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_PLANNER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"
#include "server/balancer/incremental/move.h"
#include "server/balancer/incremental/move_search.h"
#include "server/balancer/incremental/repair_search.h"
#include "server/model/constraints.h"
#include "server/model/topology.h"

namespace eplb {

// How far one layer is planned.
struct LayerLimits {
  int max_fetches = 0;         // of repairs and balancing moves together
  bool repairs_only = false;   // no balancing moves, and none is missed
  int max_searches = 1 << 30;  // balancing moves that are looked for
};

// The moves that a layer would make one after another, best gain per fetch first, had it the whole budget.
struct LayerMoves {
  std::vector<Move> moves;      // kCoverage, then kRepair, then kBalance; each follows from those before it
  bool exhausted = false;       // no further move would gain: it was not the limit that ended the list
  bool out_of_work = false;     // it was max_searches that ended it
  double potential_before = 0;  // before the first kBalance move; tokens per unit of speed
};

// Plans one layer after another. Owns its scratch, so one for each worker; not thread-safe; keeps references to the
// topology and the constraints.
class LayerPlanner {
 public:
  LayerPlanner(const Topology& topology, const PlacementConstraints& constraints, int num_experts, int power_exponent);

  // Greedy: coverage moves without limit, then repairs and balancing moves within the limits. slots: [num_slots];
  // samples: at least one.
  LayerMoves Plan(int layer, std::span<const std::int32_t> slots, std::span<const LayerSample> samples,
                  const LayerLimits& limits);

  // The potential of the slots as they are.
  double Potential(int layer, std::span<const std::int32_t> slots, std::span<const LayerSample> samples);

 private:
  void Apply(Move& move);

  LayerSlots slots_;
  std::vector<std::int32_t> changed_experts_;
  std::vector<int> changed_gpus_;
  std::vector<double> gradient_;  // as things are, where gains have noise
  std::vector<double> next_gradient_;
  LoadPotential potential_;
  MoveSearch search_;
  RepairSearch repairs_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_LAYER_PLANNER_H_
