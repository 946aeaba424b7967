#include "server/telemetry/slot_map.h"

namespace eplb {

int NumLocalSlots(const Topology& topology, int first_rank, int num_ranks) {
  return topology.first_slot(first_rank + num_ranks) - topology.first_slot(first_rank);
}

SlotMap MakeSlotMap(PlacementVersion version, const Placement& placement, const Topology& topology, int first_rank,
                    int num_ranks) {
  const auto first = static_cast<std::size_t>(topology.first_slot(first_rank));
  const auto count = static_cast<std::size_t>(NumLocalSlots(topology, first_rank, num_ranks));
  SlotMap map{.version = version, .cell_of_slot = {}};
  map.cell_of_slot.reserve(count * static_cast<std::size_t>(placement.num_layers()));
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const std::int32_t base = layer * placement.num_experts();
    for (const std::int32_t expert : placement.layer(layer).subspan(first, count)) {
      map.cell_of_slot.push_back(expert == kEmptySlot ? -1 : base + expert);
    }
  }
  return map;
}

}  // namespace eplb
