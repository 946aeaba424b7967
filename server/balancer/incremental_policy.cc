#include "server/balancer/incremental_policy.h"

#include <algorithm>

#include "server/balancer/feasibility/feasibility.h"
#include "server/base/status_macros.h"

namespace eplb {

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
  return PlanIncrement({.topology = problem.topology,
                        .samples = problem.samples,
                        .variances = problem.variances,
                        .current = problem.current,
                        .constraints = problem.constraints},
                       {.max_fetches_per_layer = options.budget.per_layer,
                        .max_fetches = TotalFetches(options.budget, options.bytes_per_expert),
                        .price = options.fetch_price,
                        .min_balancedness = options.min_balancedness,
                        .power_exponent = options.power_exponent},
                       parallel);
}

}  // namespace eplb
