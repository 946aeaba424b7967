#include "server/placement/placement_status.h"

#include "server/base/check.h"

namespace eplb {
namespace {

constexpr std::string_view kStateNames[] = {"unknown", "accepted", "prepared", "rejected", "applied"};
constexpr std::string_view kReasonNames[] = {"unspecified",     "base_mismatch", "stale",  "invalid_placement",
                                             "transfer_failed", "out_of_memory", "aborted"};

}  // namespace

std::string_view PlacementStateName(PlacementState state) {
  const auto index = static_cast<std::size_t>(state);
  EPLB_CHECK(index < std::size(kStateNames));
  return kStateNames[index];
}

std::string_view RejectionReasonName(RejectionReason reason) {
  const auto index = static_cast<std::size_t>(reason);
  EPLB_CHECK(index < std::size(kReasonNames));
  return kReasonNames[index];
}

}  // namespace eplb
