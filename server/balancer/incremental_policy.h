#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_POLICY_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_POLICY_H_

#include "absl/status/statusor.h"
#include "server/balancer/balancer.h"
#include "server/balancer/incremental/incremental_planner.h"
#include "server/base/parallel_for.h"

namespace eplb {

// How many weights a budget lets a plan fetch over all layers: the lesser of its total and its bytes; unset: no limit.
std::optional<std::int64_t> TotalFetches(const MoveBudget& budget, std::int64_t bytes_per_expert);

// Improves problem.current within options.budget (see incremental/incremental_planner.h). A layer that ran out of work
// first is planned anew, and put near the current one, where that is within the budget and gains more. The problem and
// the options have been checked and there is a current placement. INVALID_ARGUMENT for constraints that make no sense
// for the shape, FAILED_PRECONDITION for those that no placement can keep.
absl::StatusOr<IncrementalPlan> PlaceIncrementally(const RebalanceProblem& problem, const RebalanceOptions& options,
                                                   const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_POLICY_H_
