#include "server/rpc/live_convert/placed_layer_message.h"

#include <span>

namespace eplb {

void WritePlacedLayer(const VersionedPlacement& placed, int layer, const std::vector<int>& model_layers,
                      const LayerPlacementDetail& detail, v1::LayerPlacement& message) {
  const Placement& placement = *placed.placement;
  LayerPlacementDetail with_shares = detail;
  if (placed.slot_shares != nullptr) {
    const auto width = static_cast<std::size_t>(placement.num_slots());
    with_shares.slot_shares =
        std::span<const double>(*placed.slot_shares).subspan(static_cast<std::size_t>(layer) * width, width);
  }
  WriteLayerPlacement(placement.layer(layer), placement.num_experts(), model_layers[static_cast<std::size_t>(layer)],
                      with_shares, message);
}

}  // namespace eplb
