#include "server/balancer/incremental_policy.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "server/balancer/balance_metrics.h"
#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/optimized_policy.h"
#include "server/balancer/replan_policy.h"
#include "server/base/index.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// Gains that are hardly any: see LayerPlanner.
constexpr double kLeastRelativeGain = 1e-6;

// Whether a layer may be changed for this gain at this many fetches.
bool IsWorth(const FetchPrice& price, int layer, double gain, int fetches) {
  const double least = price.least_gain.empty() ? 0.0 : price.least_gain[Index(layer)];
  // How much noise there is in the gain of so many moves at once is not known.
  if (price.noise_margin > 0 && !price.noise_ratio.empty() && price.noise_ratio[Index(layer)] > 0) return false;
  return gain > std::max(least, fetches * price.tokens * (1.0 + price.hysteresis));
}

// Puts a full plan's layers in the place of those that ran out of work, where that gains more, less the price of its
// fetches, and the budget has room.
absl::Status TakeFullPlan(const RebalanceProblem& problem, const RebalanceOptions& options,
                          const IncrementalProblem& increment, const IncrementalOptions& limits,
                          const ParallelFor& parallel, IncrementalPlan& plan) {
  EPLB_ASSIGN_OR_RETURN(Placement full, PlaceOptimized(problem.samples, *problem.topology, problem.constraints,
                                                       {.work_limit = options.work_limit}, problem.current, parallel));
  full = FitToCurrent(problem, full, Policy::kOptimized, parallel);
  std::int64_t left = limits.max_fetches.value_or(std::numeric_limits<std::int64_t>::max());
  for (const IncrementalLayer& layer : plan.layers) left -= layer.fetches;
  const auto all = plan.placement.physical_to_logical();
  std::vector<std::int32_t> slots(all.begin(), all.end());
  for (int layer = 0; layer < full.num_layers(); ++layer) {
    IncrementalLayer& report = plan.layers[Index(layer)];
    if (!report.out_of_work) continue;
    const int fetches = CountFetches(problem.current->layer(layer), full.layer(layer), *problem.topology);
    if (fetches > limits.max_fetches_per_layer.value_or(fetches) || fetches - report.fetches > left) continue;
    const double reached = MeasurePotential(increment, limits, layer, plan.placement.layer(layer));
    const double gain = reached - MeasurePotential(increment, limits, layer, full.layer(layer));
    const double least = kLeastRelativeGain * reached + (fetches - report.fetches) * limits.price.tokens;
    if (gain <= least || !IsWorth(limits.price, layer, report.gain + gain, fetches)) continue;
    left -= fetches - report.fetches;
    report.fetches = fetches;
    report.gain += gain;
    report.out_of_work = false;
    report.budget_exhausted = false;
    std::ranges::copy(full.layer(layer), slots.begin() + std::ptrdiff_t{layer} * full.num_slots());
  }
  EPLB_ASSIGN_OR_RETURN(plan.placement,
                        Placement::Create(full.num_layers(), full.num_experts(), full.num_slots(), std::move(slots)));
  return absl::OkStatus();
}

}  // namespace

std::optional<std::int64_t> TotalFetches(const MoveBudget& budget, std::int64_t bytes_per_expert) {
  std::optional<std::int64_t> total;
  if (budget.total) total = *budget.total;
  if (budget.bytes && bytes_per_expert > 0) {
    const std::int64_t by_bytes = *budget.bytes / bytes_per_expert;
    total = std::min(total.value_or(by_bytes), by_bytes);
  }
  return total;
}

absl::StatusOr<IncrementalPlan> PlaceIncrementally(const RebalanceProblem& problem, const RebalanceOptions& options,
                                                   const ParallelFor& parallel) {
  const Placement& current = *problem.current;
  EPLB_RETURN_IF_ERROR(
      CheckConstraints(problem.constraints, current.num_layers(), current.num_experts(), *problem.topology));
  EPLB_RETURN_IF_ERROR(CheckFeasible(problem.constraints, current.num_layers(), current.num_experts(),
                                     *problem.topology, problem.current));
  const IncrementalProblem increment{.topology = problem.topology,
                                     .samples = problem.samples,
                                     .variances = problem.variances,
                                     .current = problem.current,
                                     .constraints = problem.constraints};
  const IncrementalOptions limits{.max_fetches_per_layer = options.budget.per_layer,
                                  .max_fetches = TotalFetches(options.budget, options.bytes_per_expert),
                                  .price = options.fetch_price,
                                  .min_balancedness = options.min_balancedness,
                                  .power_exponent = options.power_exponent};
  EPLB_ASSIGN_OR_RETURN(IncrementalPlan plan, PlanIncrement(increment, limits, parallel));
  if (std::ranges::any_of(plan.layers, &IncrementalLayer::out_of_work)) {
    EPLB_RETURN_IF_ERROR(TakeFullPlan(problem, options, increment, limits, parallel, plan));
  }
  return plan;
}

}  // namespace eplb
