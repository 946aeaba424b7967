#include "server/rpc/live_convert/placed_layer_message.h"

#include "server/balancer/balance_metrics.h"

namespace eplb {

void WritePlacedLayer(const VersionedPlacement& placed, int layer, const std::vector<int>& model_layers,
                      const LayerPlacementDetail& detail, v1::LayerPlacement& message) {
  const Placement& placement = *placed.placement;
  LayerPlacementDetail with_shares = detail;
  if (placed.slot_shares != nullptr) {
    with_shares.slot_shares = LayerShares(*placed.slot_shares, layer, placement.num_slots());
  }
  if (placed.loads != nullptr) with_shares.loads = placed.loads->layer(layer);
  WriteLayerPlacement(placement.layer(layer), placement.num_experts(), model_layers[static_cast<std::size_t>(layer)],
                      with_shares, message);
}

}  // namespace eplb
