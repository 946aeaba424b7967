#include "server/balancer/replan_policy.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/balancer/balance_metrics.h"
#include "server/balancer/feasibility/placement_check.h"
#include "server/balancer/migration/fetch_reduction.h"
#include "server/balancer/migration/gpu_relabelling.h"
#include "server/balancer/migration/slot_arrangement.h"
#include "server/balancer/search/share_objective.h"
#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {
namespace {

constexpr double kRounding = 1e-9;

// What one worker reuses from layer to layer.
struct Scratch {
  Scratch(const Topology& topology, int num_experts, RelabelScope scope, bool traffic_shares)
      : meter(topology),
        relabelling(topology, num_experts, scope),
        reduction(topology, num_experts, scope),
        arrangement(topology, num_experts) {
    if (traffic_shares) shares.emplace(topology, num_experts);
  }

  BalanceMeter meter;
  GpuRelabelling relabelling;
  FetchReduction reduction;
  SlotArrangement arrangement;
  std::optional<ShareObjective> shares;        // with traffic shares
  std::vector<SampleLoads> rows;               // [samples] of the layer
  std::vector<std::span<const double>> loads;  // same
};

// What the policy minimises: the weighted sum over samples of the largest GPU load, with traffic shares their mean.
double Objective(Scratch& scratch, std::span<const std::int32_t> slots) {
  if (scratch.shares) return scratch.shares->Value(slots);
  double sum = 0;
  for (const SampleLoads& row : scratch.rows) sum += row.weight * scratch.meter.Measure(slots, row.loads).max;
  return sum;
}

// The current slots are some that the policy might plan.
bool MayStay(const RebalanceProblem& problem, int layer) {
  return CountTwins(problem.current->layer(layer), *problem.topology) == 0 &&
         KeepsRules(*problem.current, layer, problem.constraints, *problem.topology);
}

// With several samples the best shares for their mean are not the only ones, and which are chosen depends on the GPUs'
// names.
bool RelabellingCosts(Scratch& scratch, std::span<const std::int32_t> planned,
                      std::span<const std::int32_t> relabelled) {
  if (!scratch.shares || scratch.rows.size() == 1) return false;
  return Objective(scratch, relabelled) > Objective(scratch, planned) * (1 + kRounding);
}

// Exchanges replicas where that saves fetches. Exchanges of equal loads keep the loads of even shares, but not the ways
// that traffic may take: where that costs anything, they are undone.
void SaveFetches(Scratch& scratch, std::span<const std::int32_t> before, std::span<std::int32_t> after) {
  if (!scratch.shares) {
    scratch.reduction.Run(before, scratch.loads, after);
    return;
  }
  const std::vector<std::int32_t> planned(after.begin(), after.end());
  const double limit = Objective(scratch, after) * (1 + kRounding);
  scratch.reduction.Run(before, scratch.loads, after);
  if (Objective(scratch, after) > limit) std::ranges::copy(planned, after.begin());
}

}  // namespace

Placement FitToCurrent(const RebalanceProblem& problem, const Placement& planned, Policy policy,
                       const ParallelFor& parallel, bool traffic_shares) {
  const Topology& topology = *problem.topology;
  const bool nodes_matter = problem.constraints.honour_groups || problem.constraints.min_nodes_per_expert > 1;
  const RelabelScope scope = nodes_matter ? RelabelScope::kWholeNodes : RelabelScope::kAnyGpu;
  std::vector<std::int32_t> slots(planned.physical_to_logical().size());
  std::vector<std::unique_ptr<Scratch>> scratches(Index(parallel.width()));
  parallel.Run(planned.num_layers(), [&](int layer, int worker) {
    std::unique_ptr<Scratch>& scratch = scratches[Index(worker)];
    if (scratch == nullptr) {
      scratch = std::make_unique<Scratch>(topology, planned.num_experts(), scope, traffic_shares);
    }
    const std::span<const std::int32_t> before = problem.current->layer(layer);
    const std::span<std::int32_t> after =
        std::span(slots).subspan(Index(layer) * Index(topology.num_slots()), Index(topology.num_slots()));
    if (policy != Policy::kOptimized && !problem.constraints.stable_local_slots) {
      std::ranges::copy(planned.layer(layer), after.begin());
      return;
    }
    if (policy != Policy::kOptimized) {
      scratch->arrangement.Run(before, planned.layer(layer), after);
      return;
    }
    scratch->rows.clear();
    scratch->loads.clear();
    for (const LoadSample& sample : problem.samples) {
      scratch->rows.push_back({sample.loads.layer(layer), sample.weight});
      scratch->loads.push_back(sample.loads.layer(layer));
    }
    if (scratch->shares) scratch->shares->Reset(scratch->rows);
    const bool as_good = Objective(*scratch, before) <= Objective(*scratch, planned.layer(layer));
    if (as_good && MayStay(problem, layer)) {
      std::ranges::copy(before, after.begin());
      return;
    }
    scratch->relabelling.Run(before, planned.layer(layer));
    std::ranges::copy(scratch->relabelling.slots(), after.begin());
    if (RelabellingCosts(*scratch, planned.layer(layer), after)) std::ranges::copy(planned.layer(layer), after.begin());
    SaveFetches(*scratch, before, after);
    scratch->arrangement.Run(before, after, after);
  });
  absl::StatusOr<Placement> fitted =
      Placement::Create(planned.num_layers(), planned.num_experts(), planned.num_slots(), std::move(slots));
  EPLB_CHECK(fitted.ok());
  return *std::move(fitted);
}

}  // namespace eplb
