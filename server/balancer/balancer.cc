#include "server/balancer/balancer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/balancer/incremental_policy.h"
#include "server/balancer/lower_bound.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/balancer/optimized_policy.h"
#include "server/balancer/problem_check.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/balancer/replan_policy.h"
#include "server/balancer/sample_mean.h"
#include "server/balancer/shares/share_optimizer.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/contiguous_placement.h"

namespace eplb {
namespace {

constexpr std::pair<Policy, std::string_view> kPolicyNames[] = {{Policy::kAuto, "auto"},
                                                                {Policy::kHierarchical, "hierarchical"},
                                                                {Policy::kGlobal, "global"},
                                                                {Policy::kOptimized, "optimized"}};

Policy ResolvePolicy(Policy policy) { return policy == Policy::kAuto ? Policy::kOptimized : policy; }

// Runs a reference policy on every layer of `loads`.
absl::StatusOr<Placement> PlaceByReference(const LoadMatrix& loads, const Topology& topology, Policy policy,
                                           const ParallelFor& parallel) {
  if (!topology.is_uniform()) {
    return FieldErrorStatus("topology", "uneven slots, unequal speeds or excluded GPUs",
                            "must be uniform for the reference policies");
  }
  if (policy == Policy::kHierarchical && !topology.has_block_nodes()) {
    return FieldErrorStatus("topology.node_of_gpu", "", "must be equal consecutive blocks for the hierarchical policy");
  }
  const ReferenceShape shape = policy == Policy::kHierarchical ? HierarchicalShape(loads.num_experts(), topology)
                                                               : GlobalShape(loads.num_experts(), topology);
  FieldErrors errors;
  errors.Merge("topology", ValidateReferenceShape(shape));
  EPLB_RETURN_IF_ERROR(errors.ToStatus());

  const auto num_slots = static_cast<std::size_t>(topology.num_slots());
  std::vector<std::int32_t> slots(static_cast<std::size_t>(loads.num_layers()) * num_slots);
  std::vector<std::unique_ptr<ReferencePolicy>> scratch(static_cast<std::size_t>(parallel.width()));
  parallel.Run(loads.num_layers(), [&](int layer, int worker) {
    std::unique_ptr<ReferencePolicy>& reference = scratch[static_cast<std::size_t>(worker)];
    if (reference == nullptr) reference = std::make_unique<ReferencePolicy>(shape);
    reference->Run(loads.layer(layer));
    std::ranges::copy(reference->physical_to_logical(), slots.begin() + layer * topology.num_slots());
  });
  return Placement::Create(loads.num_layers(), loads.num_experts(), topology.num_slots(), std::move(slots));
}

std::vector<LayerReport> ReportLayers(const Placement& before, std::span<const double> shares_before, bool has_current,
                                      const Placement& after, const LoadMatrix& loads, const Topology& topology,
                                      const PlacementConstraints& constraints, bool bounded,
                                      const ParallelFor& parallel) {
  std::vector<LayerReport> layers(static_cast<std::size_t>(loads.num_layers()));
  std::vector<BalanceMeter> meters(static_cast<std::size_t>(parallel.width()), BalanceMeter(topology));
  std::vector<LowerBound> bounds(static_cast<std::size_t>(parallel.width()),
                                 LowerBound(topology, constraints, loads.num_experts()));
  parallel.Run(loads.num_layers(), [&](int layer, int worker) {
    LayerReport& report = layers[static_cast<std::size_t>(layer)];
    BalanceMeter& meter = meters[static_cast<std::size_t>(worker)];
    report.before =
        meter.Measure(before.layer(layer), loads.layer(layer), LayerShares(shares_before, layer, topology.num_slots()));
    report.after = meter.Measure(after.layer(layer), loads.layer(layer));
    if (bounded) {
      report.lower_bound = bounds[static_cast<std::size_t>(worker)].Prove(
          loads.layer(layer), topology.num_usable_slots(), report.after.max);
    }
    // A placement that a budget keeps from honouring groups may pass the bound of those that do.
    if (constraints.honour_groups) report.lower_bound = std::min(report.lower_bound, report.after.max);
    report.twins = CountTwins(after.layer(layer), topology);
    if (!has_current) return;
    report.fetches = CountFetches(before.layer(layer), after.layer(layer), topology);
    if (std::ranges::equal(before.layer(layer), after.layer(layer))) report.reason = NoChangeReason::kAlreadyBest;
  });
  return layers;
}

// What only an incremental plan knows of a layer.
void AddIncrement(const IncrementalLayer& increment, LayerReport& report) {
  report.gain = increment.gain;
  report.refused_fetches = increment.refused_fetches;
  if (report.reason != NoChangeReason::kAlreadyBest) return;
  if (increment.refused_fetches > 0) report.reason = NoChangeReason::kGainBelowPrice;
  if (increment.budget_exhausted) report.reason = NoChangeReason::kBudgetExhausted;
}

// Plans from the current placement where a budget asks for it, else anew. increments: what became of each layer of an
// incremental plan.
absl::StatusOr<Placement> Place(const RebalanceProblem& problem, const RebalanceOptions& options, Policy policy,
                                const LoadMatrix& loads, const ParallelFor& parallel,
                                std::vector<IncrementalLayer>& increments) {
  if (policy != Policy::kOptimized) return PlaceByReference(loads, *problem.topology, policy, parallel);
  if (problem.current == nullptr || options.budget.unlimited()) {
    return PlaceOptimized(problem.samples, *problem.topology, problem.constraints, options.work_limit, parallel);
  }
  EPLB_ASSIGN_OR_RETURN(IncrementalPlan plan, PlaceIncrementally(problem, options, parallel));
  increments = std::move(plan.layers);
  return std::move(plan.placement);
}

// The transfers from the current placement to `placement`.
absl::StatusOr<std::vector<Transfer>> PlanWay(const RebalanceProblem& problem, const RebalanceOptions& options,
                                              const Placement& placement) {
  const int limit = options.max_transfers_per_gpu;
  return PlanTransfers(
      *problem.current, placement, *problem.topology,
      {.min_replicas = problem.constraints.min_replicas,
       .limits = {.max_staged_per_gpu = limit, .max_sent_per_gpu = limit, .max_received_per_gpu = limit}});
}

// Makes the placement one that is near the current one, and plans the transfers to it. Where experts may change their
// slots within a GPU but their exchanges would go past the limit of transfers, they keep them after all.
absl::StatusOr<std::vector<Transfer>> FitAndPlanWay(RebalanceProblem problem, const RebalanceOptions& options,
                                                    Policy policy, const ParallelFor& parallel, Placement& placement) {
  const Placement planned = placement;
  placement = FitToCurrent(problem, planned, policy, parallel);
  absl::StatusOr<std::vector<Transfer>> transfers = PlanWay(problem, options, placement);
  if (!absl::IsFailedPrecondition(transfers.status()) || problem.constraints.stable_local_slots) return transfers;
  problem.constraints.stable_local_slots = true;
  placement = FitToCurrent(problem, planned, policy, parallel);
  return PlanWay(problem, options, placement);
}

// The shares that suit `loads` best, [layers x slots]; the reports' `after` becomes what they give, and their bound one
// that holds for any shares.
std::vector<double> ChooseShares(const Placement& placement, const LoadMatrix& loads, const Topology& topology,
                                 const ParallelFor& parallel, std::vector<LayerReport>& layers) {
  std::vector<double> shares(placement.physical_to_logical().size());
  std::vector<std::unique_ptr<ShareOptimizer>> scratch(static_cast<std::size_t>(parallel.width()));
  std::vector<LowerBound> bounds(static_cast<std::size_t>(parallel.width()), LowerBound(topology));
  parallel.Run(placement.num_layers(), [&](int layer, int worker) {
    std::unique_ptr<ShareOptimizer>& optimizer = scratch[static_cast<std::size_t>(worker)];
    if (optimizer == nullptr) optimizer = std::make_unique<ShareOptimizer>(topology, loads.num_experts());
    optimizer->Run(placement.layer(layer), loads.layer(layer));
    std::ranges::copy(optimizer->share(), shares.begin() + std::ptrdiff_t{layer} * topology.num_slots());
    LayerReport& report = layers[static_cast<std::size_t>(layer)];
    report.after.max = optimizer->max_load();
    report.lower_bound =
        bounds[static_cast<std::size_t>(worker)].ProveForAnyShares(loads.layer(layer), topology.num_usable_slots());
  });
  return shares;
}

std::vector<LayerBalance> Balances(std::span<const LayerReport> layers, LayerBalance LayerReport::*which) {
  std::vector<LayerBalance> balances;
  balances.reserve(layers.size());
  for (const LayerReport& layer : layers) balances.push_back(layer.*which);
  return balances;
}

}  // namespace

std::string_view PolicyName(Policy policy) {
  const auto* found = std::ranges::find(kPolicyNames, policy, &std::pair<Policy, std::string_view>::first);
  return found->second;
}

std::optional<Policy> PolicyFromName(std::string_view name) {
  const auto* found = std::ranges::find(kPolicyNames, name, &std::pair<Policy, std::string_view>::second);
  if (found == std::end(kPolicyNames)) return std::nullopt;
  return found->first;
}

double RebalancePlan::balancedness_before() const { return MeanBalancedness(Balances(layers, &LayerReport::before)); }
double RebalancePlan::balancedness_after() const { return MeanBalancedness(Balances(layers, &LayerReport::after)); }
double RebalancePlan::worst_balancedness_after() const {
  return WorstBalancedness(Balances(layers, &LayerReport::after));
}
double RebalancePlan::step_time_before() const { return StepTime(Balances(layers, &LayerReport::before)); }
double RebalancePlan::step_time_after() const { return StepTime(Balances(layers, &LayerReport::after)); }

double RebalancePlan::lower_bound_step_time() const {
  std::vector<LayerBalance> bounds = Balances(layers, &LayerReport::after);
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i].max = layers[i].lower_bound;
  return StepTime(bounds);
}

int RebalancePlan::fetches() const {
  int sum = 0;
  for (const LayerReport& layer : layers) sum += layer.fetches;
  return sum;
}

int RebalancePlan::twins() const {
  int sum = 0;
  for (const LayerReport& layer : layers) sum += layer.twins;
  return sum;
}

absl::StatusOr<RebalancePlan> PlanRebalance(const RebalanceProblem& problem, const RebalanceOptions& options,
                                            const ParallelFor& parallel) {
  EPLB_RETURN_IF_ERROR(CheckProblem(problem, options));
  const Topology& topology = *problem.topology;
  const Policy policy = ResolvePolicy(options.policy);
  EPLB_ASSIGN_OR_RETURN(const LoadMatrix loads, SampleMean(problem.samples));
  std::vector<IncrementalLayer> increments;  // [layers], or empty
  EPLB_ASSIGN_OR_RETURN(Placement placement, Place(problem, options, policy, loads, parallel, increments));
  std::optional<Placement> contiguous;
  if (problem.current == nullptr) {
    EPLB_ASSIGN_OR_RETURN(contiguous, ContiguousPlacement(loads.num_layers(), loads.num_experts(), topology));
  }
  const bool has_current = problem.current != nullptr;
  std::vector<Transfer> transfers;
  if (has_current) {
    const bool from_scratch = policy != Policy::kOptimized || options.budget.unlimited();
    if (from_scratch) {
      EPLB_ASSIGN_OR_RETURN(transfers, FitAndPlanWay(problem, options, policy, parallel, placement));
    } else {
      EPLB_ASSIGN_OR_RETURN(transfers, PlanWay(problem, options, placement));
    }
  }
  // The global policy disregards groups, and with them their bound.
  const PlacementConstraints bounded_by = policy == Policy::kGlobal ? PlacementConstraints() : problem.constraints;
  const bool bounded = options.always_bound || (has_current && placement == *problem.current);
  std::vector<LayerReport> layers =
      ReportLayers(has_current ? *problem.current : *contiguous, problem.current_shares, has_current, placement, loads,
                   topology, bounded_by, bounded, parallel);
  for (std::size_t layer = 0; layer < increments.size(); ++layer) AddIncrement(increments[layer], layers[layer]);
  std::vector<double> slot_shares;
  if (options.traffic_shares) slot_shares = ChooseShares(placement, loads, topology, parallel, layers);
  return RebalancePlan{.placement = std::move(placement),
                       .policy = policy,
                       .layers = std::move(layers),
                       .transfers = std::move(transfers),
                       .slot_shares = std::move(slot_shares)};
}

}  // namespace eplb
