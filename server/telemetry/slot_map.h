#ifndef EPLB_SERVER_TELEMETRY_SLOT_MAP_H_
#define EPLB_SERVER_TELEMETRY_SLOT_MAP_H_

#include <cstdint>
#include <vector>

#include "server/model/placement.h"
#include "server/model/placement_version.h"
#include "server/model/topology.h"

namespace eplb {

// Which logical expert each local slot of one worker holds under one placement version.
struct SlotMap {
  PlacementVersion version = {};
  // [layers x local slots], row major: layer * num_experts + expert, or -1 for an empty slot.
  std::vector<std::int32_t> cell_of_slot;
};

// Slots of the ranks [first_rank, first_rank + num_ranks), in slot order.
int NumLocalSlots(const Topology& topology, int first_rank, int num_ranks);

// The map of those ranks under a placement of the topology's shape.
SlotMap MakeSlotMap(PlacementVersion version, const Placement& placement, const Topology& topology, int first_rank,
                    int num_ranks);

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_SLOT_MAP_H_
