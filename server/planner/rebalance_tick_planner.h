#ifndef EPLB_SERVER_PLANNER_REBALANCE_TICK_PLANNER_H_
#define EPLB_SERVER_PLANNER_REBALANCE_TICK_PLANNER_H_

#include "server/base/parallel_for.h"
#include "server/planner/tick_planner.h"

namespace eplb {

// The plainest tick: the newest sub-window is the forecast, PlanRebalance plans, and every plan that lowers the step
// time is worth its transfers. Thread-safe.
class RebalanceTickPlanner final : public TickPlanner {
 public:
  // parallel must outlive it.
  explicit RebalanceTickPlanner(const ParallelFor& parallel) : parallel_(parallel) {}

  absl::StatusOr<TickPlan> Plan(const TickInput& input) const override;

 private:
  const ParallelFor& parallel_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_REBALANCE_TICK_PLANNER_H_
