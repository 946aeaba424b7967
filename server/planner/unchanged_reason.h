#ifndef EPLB_SERVER_PLANNER_UNCHANGED_REASON_H_
#define EPLB_SERVER_PLANNER_UNCHANGED_REASON_H_

#include <string_view>

namespace eplb {

// Why a live deployment's placement was left as it was; the names are those of the API.
enum class UnchangedReason {
  kNone,  // it was changed
  kOptimal,
  kNoBetterPlacement,
  kBudget,
  kGainBelowCost,
  kHysteresis,
  kBalancedEnough,
  kNoLoad,
  kWarmingUp,
  kStaleTelemetry,
  kPaused,
  kAwaitingWorkers,
  kBackingOff,
  kInfeasible,
};
inline constexpr int kNumUnchangedReasons = 14;

// "none", "optimal", "no_better_placement", ...: metric label values.
std::string_view UnchangedReasonName(UnchangedReason reason);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_UNCHANGED_REASON_H_
