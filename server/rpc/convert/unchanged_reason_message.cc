#include "server/rpc/convert/unchanged_reason_message.h"

namespace eplb {

v1::UnchangedReason UnchangedReasonMessage(UnchangedReason reason) {
  switch (reason) {
    case UnchangedReason::kOptimal:
      return v1::UNCHANGED_REASON_OPTIMAL;
    case UnchangedReason::kNoBetterPlacement:
      return v1::UNCHANGED_REASON_NO_BETTER_PLACEMENT;
    case UnchangedReason::kBudget:
      return v1::UNCHANGED_REASON_BUDGET;
    case UnchangedReason::kGainBelowCost:
      return v1::UNCHANGED_REASON_GAIN_BELOW_COST;
    case UnchangedReason::kHysteresis:
      return v1::UNCHANGED_REASON_HYSTERESIS;
    case UnchangedReason::kBalancedEnough:
      return v1::UNCHANGED_REASON_BALANCED_ENOUGH;
    case UnchangedReason::kNoLoad:
      return v1::UNCHANGED_REASON_NO_LOAD;
    case UnchangedReason::kWarmingUp:
      return v1::UNCHANGED_REASON_WARMING_UP;
    case UnchangedReason::kStaleTelemetry:
      return v1::UNCHANGED_REASON_STALE_TELEMETRY;
    case UnchangedReason::kPaused:
      return v1::UNCHANGED_REASON_PAUSED;
    case UnchangedReason::kAwaitingWorkers:
      return v1::UNCHANGED_REASON_AWAITING_WORKERS;
    case UnchangedReason::kBackingOff:
      return v1::UNCHANGED_REASON_BACKING_OFF;
    case UnchangedReason::kInfeasible:
      return v1::UNCHANGED_REASON_INFEASIBLE;
    case UnchangedReason::kNone:
      break;
  }
  return v1::UNCHANGED_REASON_UNSPECIFIED;
}

}  // namespace eplb
