#include "server/planner/unchanged_reason.h"

#include "server/base/check.h"

namespace eplb {

std::string_view UnchangedReasonName(UnchangedReason reason) {
  static constexpr std::string_view kNames[kNumUnchangedReasons] = {
      "none",    "optimal",    "no_better_placement", "budget", "gain_below_cost",  "hysteresis",  "balanced_enough",
      "no_load", "warming_up", "stale_telemetry",     "paused", "awaiting_workers", "backing_off", "infeasible"};
  const auto index = static_cast<int>(reason);
  EPLB_CHECK(index >= 0 && index < kNumUnchangedReasons);
  return kNames[index];
}

}  // namespace eplb
