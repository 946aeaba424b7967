#ifndef EPLB_SERVER_RPC_CONVERT_PLACEMENT_MESSAGE_H_
#define EPLB_SERVER_RPC_CONVERT_PLACEMENT_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "eplb/v1/placement.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "server/balancer/shares/entry_counts.h"
#include "server/base/field_errors.h"
#include "server/model/placement.h"
#include "server/model/transfer.h"

namespace eplb {

using LayerPlacementMessages = google::protobuf::RepeatedPtrField<v1::LayerPlacement>;

// Shape that a placement in a message must have.
struct PlacementShape {
  std::span<const int> model_layers;  // absolute index of each layer, in order
  int num_experts = 0;
  int num_slots = 0;
};

// Experts that a placement speaks of, where nothing else tells: one more than the highest in its first layer; 0 where
// there is none.
int NumExpertsIn(const LayerPlacementMessages& layers);

// The placement that a message states; expert_count and the inverse map are ignored, for shares see ReadSlotShares.
// Adds what is wrong to `errors`, under `field` ("current" gives "current[2].physical_to_logical[7]"), and is nullopt
// then.
std::optional<Placement> ReadPlacement(const LayerPlacementMessages& layers, const PlacementShape& shape,
                                       std::string_view field, FieldErrors& errors);

// The shares that a message's slot_shares state for `placement`, [layers x slots]; empty where no layer states any. A
// layer without states equal ones. Adds what is wrong to `errors`, under `field`, and is empty then.
std::vector<double> ReadSlotShares(const LayerPlacementMessages& layers, const Placement& placement,
                                   std::string_view field, FieldErrors& errors);

// What to state of a layer besides its slots.
struct LayerPlacementDetail {
  bool expert_count = true;
  int max_routing_entries = 0;               // most entries of each expert in the inverse map; 0: leave it out
  std::span<const double> slot_shares = {};  // [slots] part of its expert's traffic for each; empty: equal parts
  // For the inverse map where shares differ: the loads that the shares are for, [experts], and what finds the whole
  // numbers that suit them best. Empty and null: by the shares alone.
  std::span<const double> loads = {};
  EntryCounts* entry_counts = nullptr;
  // [slots] as in RebalancePlan: the order of an expert's slots in the inverse map. Empty: they rise.
  std::span<const std::int32_t> replica_ranks = {};
};

// States one layer. The inverse map lists slots as EntryCounts counts them where loads are known and there is room for
// every replica, else as RoutingEntries does.
void WriteLayerPlacement(std::span<const std::int32_t> slots, int num_experts, int model_layer,
                         const LayerPlacementDetail& detail, v1::LayerPlacement& message);

// model_layers: absolute index of each layer.
void WriteTransfer(const Transfer& transfer, std::span<const int> model_layers, v1::Transfer& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_PLACEMENT_MESSAGE_H_
