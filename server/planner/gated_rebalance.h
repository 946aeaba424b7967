#ifndef EPLB_SERVER_PLANNER_GATED_REBALANCE_H_
#define EPLB_SERVER_PLANNER_GATED_REBALANCE_H_

#include "absl/status/statusor.h"
#include "server/balancer/balancer.h"
#include "server/base/parallel_for.h"
#include "server/planner/plan_settings.h"

namespace eplb {

// A plan whose moves were weighed against what they cost.
struct GatedPlan {
  RebalancePlan plan;
  double gain_gpu_seconds = 0;  // predicted over the horizon; 0 where nothing is moved
  double cost_gpu_seconds = 0;  // of the transfers
};

// Plans from the current placement, which the problem must have, with the benefit gate of `gate` (see BenefitGate; its
// rates, horizon, hysteresis, expert time and least balancedness count, nothing else of it). Moves are made one by one,
// each of them only if it gains more than it costs, so that the plan is one within a budget even where options.budget
// is unlimited. The loads are taken as certain: no part of a gain is put down to noise. The policy must be the
// optimizing one. Otherwise as PlanRebalance.
absl::StatusOr<GatedPlan> PlanGatedRebalance(const RebalanceProblem& problem, RebalanceOptions options,
                                             const PlanSettings& gate, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_GATED_REBALANCE_H_
