#ifndef EPLB_SERVER_PLANNER_ADAPTIVE_TICK_PLANNER_H_
#define EPLB_SERVER_PLANNER_ADAPTIVE_TICK_PLANNER_H_

#include "server/base/parallel_for.h"
#include "server/planner/tick_planner.h"

namespace eplb {

// The planner that a service should run: the loads to come are forecast from the history with their uncertainty
// (ForecastLoads), the placement in force is improved for them within the budget, and only by moves that are worth
// their transfers (BenefitGate).
//
// Without a budget it plans anew, and the whole plan must be worth its transfers. The reference policies plan anew for
// the plain mean of the history, as the engines that run them do. An evacuation stays within budget and gate but for
// the experts that would be lost. Where no move is worth making but other traffic shares of the same placement are, by
// half a percent of the step time and by the hysteresis of what the shares in force leave to gain, these are planned
// alone. Thread-safe.
class AdaptiveTickPlanner final : public TickPlanner {
 public:
  // parallel must outlive it; where it is a StoppableFor, plans that it stops are CANCELLED.
  explicit AdaptiveTickPlanner(const ParallelFor& parallel) : parallel_(parallel) {}

  absl::StatusOr<TickPlan> Plan(const TickInput& input) const override;

 private:
  const ParallelFor& parallel_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_ADAPTIVE_TICK_PLANNER_H_
