#include "server/planner/rebalance_tick_planner.h"

#include <utility>

#include "server/base/status_macros.h"

namespace eplb {

absl::StatusOr<TickPlan> RebalanceTickPlanner::Plan(const TickInput& input) const {
  const LoadSample newest[] = {{.loads = input.history.back()}};
  const RebalanceProblem problem{
      .topology = input.topology, .samples = newest, .current = input.current, .constraints = input.constraints};
  RebalanceOptions options;
  options.policy = input.settings.policy;
  options.work_limit = input.settings.work_limit;
  options.bytes_per_expert = input.settings.bytes_per_expert;
  options.budget = input.settings.budget;
  EPLB_ASSIGN_OR_RETURN(RebalancePlan plan, PlanRebalance(problem, options, parallel_));
  TickPlan tick{.plan = std::move(plan)};
  tick.predicted_step_time = tick.plan.step_time_after();
  const bool better = tick.plan.step_time_after() < tick.plan.step_time_before();
  if (!better && !input.force) tick.unchanged = UnchangedReason::kNoBetterPlacement;
  return tick;
}

}  // namespace eplb
