#ifndef EPLB_SERVER_PLANNER_PLAN_REASON_H_
#define EPLB_SERVER_PLANNER_PLAN_REASON_H_

#include <span>

#include "server/balancer/balancer.h"
#include "server/planner/unchanged_reason.h"

namespace eplb {

// Why a plan left one layer as it was; kNone: it did not. min_balancedness: the threshold from which layers are left
// alone, 0: none.
UnchangedReason LayerUnchangedReason(const LayerReport& layer, double min_balancedness);

// Why a plan that changes no layer does so: of the layers' reasons the one that most could be done about.
UnchangedReason PlanUnchangedReason(std::span<const UnchangedReason> layers);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_PLAN_REASON_H_
