#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_PLACED_LAYER_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_PLACED_LAYER_MESSAGE_H_

#include <vector>

#include "eplb/v1/placement.pb.h"
#include "server/placement/versioned_placement.h"
#include "server/rpc/convert/placement_message.h"

namespace eplb {

// States one layer, by ordinal, of a published placement, with its traffic shares where it has some.
void WritePlacedLayer(const VersionedPlacement& placed, int layer, const std::vector<int>& model_layers,
                      const LayerPlacementDetail& detail, v1::LayerPlacement& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_PLACED_LAYER_MESSAGE_H_
