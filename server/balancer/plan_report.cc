#include "server/balancer/plan_report.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/feasibility/placement_check.h"
#include "server/balancer/lower_bound.h"
#include "server/balancer/search/share_objective.h"
#include "server/base/index.h"

namespace eplb {
namespace {

// The rules that every placement of a policy keeps, asked for or not: the hierarchical one keeps groups, the global one
// nothing.
PlacementConstraints BoundedBy(const PlacementConstraints& constraints, Policy policy) {
  if (policy == Policy::kOptimized) return constraints;
  return {.honour_groups = policy == Policy::kHierarchical};
}

// What one worker reuses from layer to layer.
struct Scratch {
  Scratch(const Topology& topology, const PlacementConstraints& constraints, int num_experts, bool traffic_shares)
      : meter(topology), bound(topology, constraints, num_experts) {
    if (traffic_shares) shares.emplace(topology, num_experts);
  }

  BalanceMeter meter;
  LowerBound bound;
  std::optional<ShareObjective> shares;
  std::vector<SampleLoads> rows;  // [samples] of the layer, their weights summing to 1
};

// The weighted mean over samples. slot_shares: [slots]; empty: shared evenly.
LayerBalance Measure(Scratch& scratch, std::span<const std::int32_t> slots, std::span<const double> slot_shares = {}) {
  LayerBalance sum;
  for (const SampleLoads& row : scratch.rows) {
    const LayerBalance balance = scratch.meter.Measure(slots, row.loads, slot_shares);
    sum.mean += row.weight * balance.mean;
    sum.max += row.weight * balance.max;
  }
  return sum;
}

// The weighted mean of the samples' bounds: each holds for its sample whatever the placement. max: of what was planned.
double Prove(Scratch& scratch, std::span<const std::int32_t> after, double max, int slots) {
  double bound = 0;
  for (const SampleLoads& row : scratch.rows) {
    const bool only_one = scratch.rows.size() == 1;
    if (scratch.shares) {
      bound += row.weight * scratch.bound.ProveForAnyShares(row.loads, slots, only_one ? max : 0);
    } else {
      const double reached = only_one ? max : scratch.meter.Measure(after, row.loads).max;
      bound += row.weight * scratch.bound.Prove(row.loads, slots, reached);
    }
  }
  return bound;
}

void FillRows(std::span<const LoadSample> samples, int layer, Scratch& scratch) {
  double total_weight = 0;
  for (const LoadSample& sample : samples) total_weight += sample.weight;
  scratch.rows.clear();
  for (const LoadSample& sample : samples) {
    scratch.rows.push_back({sample.loads.layer(layer), samples.size() == 1 ? 1.0 : sample.weight / total_weight});
  }
}

}  // namespace

PlanReport ReportPlan(const RebalanceProblem& problem, const Placement& before, const Placement& after,
                      const ReportOptions& options, const ParallelFor& parallel) {
  const Topology& topology = *problem.topology;
  const PlacementConstraints constraints = BoundedBy(problem.constraints, options.policy);
  PlanReport plan{.layers = std::vector<LayerReport>(Index(after.num_layers())), .slot_shares = {}};
  if (options.traffic_shares) plan.slot_shares.resize(after.physical_to_logical().size());
  std::vector<std::unique_ptr<Scratch>> scratches(Index(parallel.width()));
  parallel.Run(after.num_layers(), [&](int layer, int worker) {
    std::unique_ptr<Scratch>& scratch = scratches[Index(worker)];
    if (scratch == nullptr) {
      scratch = std::make_unique<Scratch>(topology, constraints, after.num_experts(), options.traffic_shares);
    }
    FillRows(problem.samples, layer, *scratch);
    LayerReport& report = plan.layers[Index(layer)];
    report.before =
        Measure(*scratch, before.layer(layer), LayerShares(problem.current_shares, layer, topology.num_slots()));
    report.after = Measure(*scratch, after.layer(layer));
    if (scratch->shares) {
      scratch->shares->Reset(scratch->rows);
      report.after.max = scratch->shares->Choose(after.layer(layer));
      std::ranges::copy(scratch->shares->shares(),
                        plan.slot_shares.begin() + std::ptrdiff_t{layer} * topology.num_slots());
    }
    if (options.bounded ||
        (problem.current != nullptr && std::ranges::equal(before.layer(layer), after.layer(layer)))) {
      report.lower_bound =
          Prove(*scratch, after.layer(layer), report.after.max, SlotBudget(constraints, layer, topology));
    }
    // A placement that a move budget keeps from the rules may pass the bound of those that keep them.
    if (options.incremental && report.lower_bound > report.after.max &&
        !KeepsRules(after, layer, constraints, topology)) {
      report.lower_bound = report.after.max;
    }
    report.twins = CountTwins(after.layer(layer), topology);
    if (problem.current == nullptr) return;
    report.fetches = CountFetches(before.layer(layer), after.layer(layer), topology);
    if (std::ranges::equal(before.layer(layer), after.layer(layer))) report.reason = NoChangeReason::kAlreadyBest;
  });
  return plan;
}

}  // namespace eplb
