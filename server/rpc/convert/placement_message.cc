#include "server/rpc/convert/placement_message.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/convert/routing.h"

namespace eplb {
namespace {

// Path of a field of one layer: "current[2].model_layer".
std::string LayerField(std::string_view field, std::size_t layer, std::string_view name) {
  return absl::StrCat(std::string(field), "[", layer, "].", std::string(name));
}

// Placement::Create says "layers[2].physical_to_logical[7]"; the message's field has a name of its own.
void AddModelErrors(const absl::Status& status, std::string_view field, FieldErrors& errors) {
  constexpr std::string_view kModelField = "layers";
  for (const FieldError& error : FieldErrorsOf(status)) {
    const std::string_view rest = std::string_view(error.field).substr(kModelField.size());
    errors.Add(std::string(field) + std::string(rest), error.value, error.rule);
  }
}

void WriteRouting(std::span<const std::int32_t> slots, int num_experts, const LayerPlacementDetail& detail,
                  v1::LayerPlacement& message) {
  std::vector<double> shares;
  for (const std::vector<std::int32_t>& slots_of : LogicalToPhysical(slots, num_experts)) {
    shares.clear();
    if (!detail.slot_shares.empty()) {
      for (const std::int32_t slot : slots_of) shares.push_back(detail.slot_shares[static_cast<std::size_t>(slot)]);
    }
    const std::vector<std::int32_t> entries = RoutingEntries(slots_of, shares, detail.max_routing_entries);
    message.mutable_logical_to_physical()->Add(entries.begin(), entries.end());
    message.add_logical_to_physical_count(static_cast<std::int32_t>(entries.size()));
  }
}

}  // namespace

int NumExpertsIn(const LayerPlacementMessages& layers) {
  if (layers.empty() || layers[0].physical_to_logical().empty()) return 0;
  const std::int32_t highest = *std::ranges::max_element(layers[0].physical_to_logical());
  return static_cast<int>(std::clamp<std::int64_t>(std::int64_t{highest} + 1, 0, INT32_MAX));
}

std::optional<Placement> ReadPlacement(const LayerPlacementMessages& layers, const PlacementShape& shape,
                                       std::string_view field, FieldErrors& errors) {
  const std::size_t num_layers = shape.model_layers.size();
  if (static_cast<std::size_t>(layers.size()) != num_layers) {
    errors.Add(field, absl::StrCat(layers.size(), " layers"), absl::StrCat("must be ", num_layers));
    return std::nullopt;
  }
  FieldErrors own;
  std::vector<std::int32_t> slots;
  slots.reserve(num_layers * static_cast<std::size_t>(shape.num_slots));
  for (std::size_t i = 0; i < num_layers; ++i) {
    const v1::LayerPlacement& layer = layers[static_cast<int>(i)];
    if (layer.model_layer() != shape.model_layers[i]) {
      own.Add(LayerField(field, i, "model_layer"), absl::StrCat(layer.model_layer()),
              absl::StrCat("must be ", shape.model_layers[i], ", in the order of the loads"));
    }
    if (layer.physical_to_logical_size() != shape.num_slots) {
      own.Add(LayerField(field, i, "physical_to_logical"), absl::StrCat(layer.physical_to_logical_size(), " entries"),
              absl::StrCat("must be the number of slots, ", shape.num_slots));
    }
    slots.insert(slots.end(), layer.physical_to_logical().begin(), layer.physical_to_logical().end());
  }
  std::optional<Placement> placement;
  if (own.empty()) {
    absl::StatusOr<Placement> made =
        Placement::Create(static_cast<int>(num_layers), shape.num_experts, shape.num_slots, std::move(slots));
    AddModelErrors(made.status(), field, own);
    if (made.ok()) placement = *std::move(made);
  }
  errors.Merge("", own.ToStatus());
  return placement;
}

void WriteLayerPlacement(std::span<const std::int32_t> slots, int num_experts, int model_layer,
                         const LayerPlacementDetail& detail, v1::LayerPlacement& message) {
  message.set_model_layer(model_layer);
  message.mutable_physical_to_logical()->Add(slots.begin(), slots.end());
  if (detail.expert_count) {
    const std::vector<std::int32_t> counts = CountReplicas(slots, num_experts);
    message.mutable_expert_count()->Add(counts.begin(), counts.end());
  }
  message.mutable_slot_shares()->Add(detail.slot_shares.begin(), detail.slot_shares.end());
  if (detail.max_routing_entries > 0) WriteRouting(slots, num_experts, detail, message);
}

void WriteTransfer(const Transfer& transfer, std::span<const int> model_layers, v1::Transfer& message) {
  message.set_model_layer(model_layers[static_cast<std::size_t>(transfer.layer)]);
  message.set_expert(transfer.expert);
  message.set_source_slot(transfer.source_slot);
  message.set_target_slot(transfer.target_slot);
  message.set_step(transfer.step);
}

}  // namespace eplb
