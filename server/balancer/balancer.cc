#include "server/balancer/balancer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/balancer/incremental_policy.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/balancer/optimized_policy.h"
#include "server/balancer/plan_report.h"
#include "server/balancer/problem_check.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/balancer/replan_policy.h"
#include "server/balancer/sample_mean.h"
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

// Runs a reference policy on every layer of `loads`. replica_ranks: as in RebalancePlan.
absl::StatusOr<Placement> PlaceByReference(const LoadMatrix& loads, const Topology& topology, Policy policy,
                                           const ParallelFor& parallel, std::vector<std::int32_t>& replica_ranks) {
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
  replica_ranks.resize(slots.size());
  std::vector<std::unique_ptr<ReferencePolicy>> scratch(static_cast<std::size_t>(parallel.width()));
  parallel.Run(loads.num_layers(), [&](int layer, int worker) {
    std::unique_ptr<ReferencePolicy>& reference = scratch[static_cast<std::size_t>(worker)];
    if (reference == nullptr) reference = std::make_unique<ReferencePolicy>(shape);
    reference->Run(loads.layer(layer));
    std::ranges::copy(reference->physical_to_logical(), slots.begin() + layer * topology.num_slots());
    std::ranges::copy(reference->replica_rank(), replica_ranks.begin() + layer * topology.num_slots());
  });
  return Placement::Create(loads.num_layers(), loads.num_experts(), topology.num_slots(), std::move(slots));
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
// incremental plan; replica_ranks: of one by a reference policy.
absl::StatusOr<Placement> Place(const RebalanceProblem& problem, const RebalanceOptions& options, Policy policy,
                                const LoadMatrix& loads, const ParallelFor& parallel,
                                std::vector<IncrementalLayer>& increments, std::vector<std::int32_t>& replica_ranks) {
  if (policy != Policy::kOptimized) {
    return PlaceByReference(loads, *problem.topology, policy, parallel, replica_ranks);
  }
  if (problem.current == nullptr || options.budget.unlimited()) {
    return PlaceOptimized(problem.samples, *problem.topology, problem.constraints,
                          {.work_limit = options.work_limit, .traffic_shares = options.traffic_shares}, problem.current,
                          parallel);
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
  placement = FitToCurrent(problem, planned, policy, parallel, options.traffic_shares);
  absl::StatusOr<std::vector<Transfer>> transfers = PlanWay(problem, options, placement);
  if (!absl::IsFailedPrecondition(transfers.status()) || problem.constraints.stable_local_slots) return transfers;
  problem.constraints.stable_local_slots = true;
  placement = FitToCurrent(problem, planned, policy, parallel, options.traffic_shares);
  return PlanWay(problem, options, placement);
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

bool IsReference(Policy policy) { return policy == Policy::kHierarchical || policy == Policy::kGlobal; }

double RebalancePlan::balancedness_before() const { return MeanBalancedness(Balances(layers, &LayerReport::before)); }
double RebalancePlan::balancedness_after() const { return MeanBalancedness(Balances(layers, &LayerReport::after)); }
double RebalancePlan::worst_balancedness_before() const {
  return WorstBalancedness(Balances(layers, &LayerReport::before));
}
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
  std::vector<std::int32_t> replica_ranks;   // as in RebalancePlan
  EPLB_ASSIGN_OR_RETURN(Placement placement,
                        Place(problem, options, policy, loads, parallel, increments, replica_ranks));
  std::optional<Placement> contiguous;
  if (problem.current == nullptr) {
    EPLB_ASSIGN_OR_RETURN(contiguous, ContiguousPlacement(loads.num_layers(), loads.num_experts(), topology));
  }
  const bool has_current = problem.current != nullptr;
  std::vector<Transfer> transfers;
  if (has_current) {
    const bool from_scratch = policy != Policy::kOptimized || options.budget.unlimited();
    if (from_scratch) {
      std::optional<Placement> published;
      if (!replica_ranks.empty()) published = placement;
      EPLB_ASSIGN_OR_RETURN(transfers, FitAndPlanWay(problem, options, policy, parallel, placement));
      if (published != placement) replica_ranks.clear();
    } else {
      EPLB_ASSIGN_OR_RETURN(transfers, PlanWay(problem, options, placement));
    }
  }
  PlanReport report = ReportPlan(problem, has_current ? *problem.current : *contiguous, placement,
                                 {.policy = policy,
                                  .traffic_shares = options.traffic_shares,
                                  .bounded = options.always_bound,
                                  .incremental = !increments.empty()},
                                 parallel);
  for (std::size_t layer = 0; layer < increments.size(); ++layer) AddIncrement(increments[layer], report.layers[layer]);
  return RebalancePlan{.placement = std::move(placement),
                       .policy = policy,
                       .layers = std::move(report.layers),
                       .transfers = std::move(transfers),
                       .slot_shares = std::move(report.slot_shares),
                       .replica_ranks = std::move(replica_ranks)};
}

}  // namespace eplb
