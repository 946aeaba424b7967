#ifndef EPLB_SERVER_PLACEMENT_VERSIONED_PLACEMENT_H_
#define EPLB_SERVER_PLACEMENT_VERSIONED_PLACEMENT_H_

#include <memory>
#include <vector>

#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/placement_version.h"
#include "server/model/transfer.h"

namespace eplb {

// A placement under its version, as it was published or told of by a hello. Immutable snapshots: shared, never
// changed.
struct VersionedPlacement {
  PlacementVersion version = {};
  std::shared_ptr<const Placement> placement = nullptr;  // null only in a default-made one
  // Part of its expert's traffic that each slot takes, [layers x slots], row major; null: replicas take equal parts.
  std::shared_ptr<const std::vector<double>> slot_shares = nullptr;
  // The loads that the shares were chosen for; null: not known, as where a hello told of it, or without shares.
  std::shared_ptr<const LoadMatrix> loads = nullptr;
  // The version that it was planned from, and the copies that lead there; null transfers: told of by a hello.
  PlacementVersion base = {};
  std::shared_ptr<const std::vector<Transfer>> transfers = nullptr;
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLACEMENT_VERSIONED_PLACEMENT_H_
