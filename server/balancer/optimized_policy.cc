#include "server/balancer/optimized_policy.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "server/balancer/balance_metrics.h"
#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/lower_bound.h"
#include "server/balancer/search/layer_search.h"
#include "server/balancer/search/share_search.h"
#include "server/base/index.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// What one worker reuses from layer to layer.
struct Scratch {
  Scratch(const SearchProblem& problem, bool traffic_shares) : search(problem), meter(*problem.topology) {
    if (!traffic_shares) return;
    share_search = std::make_unique<ShareSearch>(problem);
    bound = std::make_unique<LowerBound>(*problem.topology, *problem.constraints, problem.num_experts);
  }

  LayerSearch search;
  std::vector<SampleLoads> rows;
  BalanceMeter meter;
  std::unique_ptr<ShareSearch> share_search;  // null for even shares
  std::unique_ptr<LowerBound> bound;          // same
};

// What no placement with any shares can beat, as ShareSearch counts it.
double ShareFloor(Scratch& scratch, std::span<const std::int32_t> slots, int budget) {
  double total_weight = 0;
  for (const SampleLoads& row : scratch.rows) total_weight += row.weight;
  double floor = 0;
  for (const SampleLoads& row : scratch.rows) {
    const double reached = scratch.meter.Measure(slots, row.loads).max;
    floor += row.weight / total_weight * scratch.bound->ProveForAnyShares(row.loads, budget, reached);
  }
  return floor;
}

}  // namespace

absl::StatusOr<Placement> PlaceOptimized(std::span<const LoadSample> samples, const Topology& topology,
                                         const PlacementConstraints& constraints, const OptimizedOptions& options,
                                         const Placement* current, const ParallelFor& parallel) {
  const int num_layers = samples[0].loads.num_layers();
  const int num_experts = samples[0].loads.num_experts();
  EPLB_RETURN_IF_ERROR(CheckConstraints(constraints, num_layers, num_experts, topology));
  EPLB_RETURN_IF_ERROR(CheckFeasible(constraints, num_layers, num_experts, topology, current));

  const SearchProblem search_problem{
      .topology = &topology, .constraints = &constraints, .num_experts = num_experts, .work_limit = options.work_limit};
  std::vector<std::unique_ptr<Scratch>> scratches(Index(parallel.width()));
  const std::size_t num_slots = Index(topology.num_slots());
  std::vector<std::int32_t> slots(Index(num_layers) * num_slots);
  parallel.Run(num_layers, [&](int layer, int worker) {
    std::unique_ptr<Scratch>& scratch = scratches[Index(worker)];
    if (scratch == nullptr) scratch = std::make_unique<Scratch>(search_problem, options.traffic_shares);
    scratch->rows.clear();
    for (const LoadSample& sample : samples) scratch->rows.push_back({sample.loads.layer(layer), sample.weight});
    const int budget = SlotBudget(constraints, layer, topology);
    const std::span<std::int32_t> row = std::span(slots).subspan(Index(layer) * num_slots, num_slots);
    std::ranges::copy(scratch->search.Run(scratch->rows, budget), row.begin());
    if (scratch->share_search == nullptr) return;
    scratch->share_search->Run(scratch->rows, ShareFloor(*scratch, row, budget), row);
  });
  return Placement::Create(num_layers, num_experts, topology.num_slots(), std::move(slots));
}

}  // namespace eplb
