#include "server/planner/hub_observer.h"

#include "server/base/check.h"
#include "server/planner/hub.h"

namespace eplb {

std::string_view RolloutOutcomeName(RolloutOutcome outcome) {
  static constexpr std::string_view kNames[kNumRolloutOutcomes] = {"applied", "rejected", "aborted", "timed_out",
                                                                   "superseded"};
  const auto index = static_cast<int>(outcome);
  EPLB_CHECK(index >= 0 && index < kNumRolloutOutcomes);
  return kNames[index];
}

}  // namespace eplb
