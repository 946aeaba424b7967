#include "server/planner/plan_reason.h"

#include <algorithm>

namespace eplb {

UnchangedReason LayerUnchangedReason(const LayerReport& layer, double min_balancedness) {
  const bool changed = layer.reason == NoChangeReason::kChanged;
  if (!changed && min_balancedness > 0 && layer.before.balancedness() >= min_balancedness) {
    return UnchangedReason::kBalancedEnough;
  }
  switch (layer.reason) {
    case NoChangeReason::kChanged:
      return UnchangedReason::kNone;
    case NoChangeReason::kBudgetExhausted:
      return UnchangedReason::kBudget;
    case NoChangeReason::kGainBelowPrice:
      return UnchangedReason::kGainBelowCost;
    case NoChangeReason::kAlreadyBest:
      break;
  }
  if (layer.after.max == 0) return UnchangedReason::kNoLoad;
  return layer.after.max <= layer.lower_bound ? UnchangedReason::kOptimal : UnchangedReason::kNoBetterPlacement;
}

UnchangedReason PlanUnchangedReason(std::span<const UnchangedReason> layers) {
  for (const UnchangedReason reason :
       {UnchangedReason::kGainBelowCost, UnchangedReason::kBudget, UnchangedReason::kNoBetterPlacement,
        UnchangedReason::kBalancedEnough, UnchangedReason::kOptimal}) {
    if (std::ranges::find(layers, reason) != layers.end()) return reason;
  }
  return UnchangedReason::kNoLoad;
}

}  // namespace eplb
