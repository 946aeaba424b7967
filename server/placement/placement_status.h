#ifndef EPLB_SERVER_PLACEMENT_PLACEMENT_STATUS_H_
#define EPLB_SERVER_PLACEMENT_PLACEMENT_STATUS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/model/placement_version.h"

namespace eplb {

// How far a worker is with a version, furthest last: told out of order, the furthest counts.
enum class PlacementState {
  kUnknown,   // nothing reported yet
  kAccepted,  // received, valid, not begun
  kPrepared,  // weights staged, routing not switched
  kRejected,  // refused or failed; the former version stays in force
  kApplied,   // in force
};

// "unknown", "accepted", "prepared", "rejected", "applied".
std::string_view PlacementStateName(PlacementState state);

// Why a worker rejected a version.
enum class RejectionReason {
  kUnspecified,
  kBaseMismatch,      // the base of the delta is not in force here: it gets the full placement
  kStale,             // not newer than the one in force
  kInvalidPlacement,  // the engine does not accept it
  kTransferFailed,
  kOutOfMemory,
  kAborted,  // because another worker could not prepare it, or because it took too long
};

inline constexpr int kNumRejectionReasons = static_cast<int>(RejectionReason::kAborted) + 1;

// "unspecified", "base_mismatch", "stale", "invalid_placement", "transfer_failed", "out_of_memory", "aborted".
std::string_view RejectionReasonName(RejectionReason reason);

// What one worker tells of one version.
struct PlacementStatus {
  std::string worker_id;
  std::string incarnation;
  PlacementVersion version = {};
  PlacementState state = PlacementState::kUnknown;
  RejectionReason reason = RejectionReason::kUnspecified;
  std::string detail;                             // for people, never parsed
  absl::Duration elapsed = absl::ZeroDuration();  // since it received the version; 0: not told
  std::int64_t fetched_bytes = 0;                 // 0: none, or not told
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLACEMENT_PLACEMENT_STATUS_H_
