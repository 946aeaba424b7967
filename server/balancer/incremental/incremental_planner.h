#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_INCREMENTAL_PLANNER_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_INCREMENTAL_PLANNER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "server/balancer/incremental/move_allocation.h"
#include "server/base/parallel_for.h"
#include "server/model/constraints.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// What is to be improved. Nothing is owned; everything must outlive the call.
struct IncrementalProblem {
  const Topology* topology = nullptr;          // required
  std::span<const LoadSample> samples = {};    // at least one, of equal shape
  std::span<const LoadMatrix> variances = {};  // of each sample's loads, in squared tokens; empty: loads are certain
  const Placement* current = nullptr;          // required; of the samples' and the topology's shape
  PlacementConstraints constraints = {};
};

struct IncrementalOptions {
  std::optional<int> max_fetches_per_layer = {};  // unset: no limit
  std::optional<std::int64_t> max_fetches = {};   // over all layers, which compete for them; unset: no limit
  FetchPrice price = {};                          // what balancing moves must earn
  double min_balancedness = 0;  // layers at least this balanced under every sample are only repaired; 0: none
  // p = 2^power_exponent of the power mean that is minimised (see LoadPotential), 1..6: low where the loads to come are
  // uncertain and the placement is to last, high where they are known and only the largest counts.
  int power_exponent = 4;
};

// What became of one layer.
struct IncrementalLayer {
  int fetches = 0;
  int repairs = 0;                // moves that restored coverage, groups' nodes, replicas or spread
  double gain = 0;                // fall of the potential by balancing moves, tokens per unit of speed
  bool budget_exhausted = false;  // further moves would have gained
  int refused_fetches = 0;        // of moves that would have gained, but less than their price
  bool out_of_work = false;       // all moves that were found were made, and more could be had for more work
};

struct IncrementalPlan {
  Placement placement;                   // slots of excluded GPUs are empty
  std::vector<IncrementalLayer> layers;  // [layers]
};

// Improves the placement in force by the moves that gain most per fetch: layers are searched each for itself, and
// compete for the total. Experts that stay keep their slots; no twins are made. An expert that no usable GPU holds is
// brought back even where the budget is spent; then come replicas off their group's node, missing replicas and spread,
// then balance. What one layer's moves may cost is bounded in slots looked at, so that a plan without a budget ends.
//
// A pure function of its arguments; the answer does not depend on the width of `parallel`. FAILED_PRECONDITION when
// a layer's usable slots cannot hold all experts. Shapes must agree (checked by the caller).
absl::StatusOr<IncrementalPlan> PlanIncrement(const IncrementalProblem& problem, const IncrementalOptions& options,
                                              const ParallelFor& parallel);

// What the plan lowers, of one layer with these slots: see LoadPotential.
double MeasurePotential(const IncrementalProblem& problem, const IncrementalOptions& options, int layer,
                        std::span<const std::int32_t> slots);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_INCREMENTAL_PLANNER_H_
