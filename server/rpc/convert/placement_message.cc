#include "server/rpc/convert/placement_message.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/base/index.h"
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

void WriteEntries(const std::vector<std::int32_t>& entries, v1::LayerPlacement& message) {
  message.mutable_logical_to_physical()->Add(entries.begin(), entries.end());
  message.add_logical_to_physical_count(static_cast<std::int32_t>(entries.size()));
}

void WriteRouting(std::span<const std::int32_t> slots, int num_experts, const LayerPlacementDetail& detail,
                  v1::LayerPlacement& message) {
  std::vector<std::vector<std::int32_t>> slots_of_experts = LogicalToPhysical(slots, num_experts);
  for (std::size_t slot = 0; slot < detail.replica_ranks.size(); ++slot) {
    slots_of_experts[Index(slots[slot])][Index(detail.replica_ranks[slot])] = static_cast<std::int32_t>(slot);
  }
  std::size_t most_replicas = 0;
  for (const auto& slots_of : slots_of_experts) most_replicas = std::max(most_replicas, slots_of.size());
  const bool has_room = static_cast<std::size_t>(detail.max_routing_entries) >= most_replicas;
  if (detail.entry_counts != nullptr && !detail.slot_shares.empty() && !detail.loads.empty() && has_room) {
    const int most_entries =
        std::min(detail.max_routing_entries, std::max(kMaxRoutingEntries, static_cast<int>(most_replicas)));
    detail.entry_counts->Run(slots, detail.loads, detail.slot_shares, most_entries);
    for (const auto& entries : RepeatedEntries(slots, detail.entry_counts->count(), num_experts)) {
      WriteEntries(entries, message);
    }
    return;
  }
  std::vector<double> shares;
  for (const std::vector<std::int32_t>& slots_of : slots_of_experts) {
    shares.clear();
    if (!detail.slot_shares.empty()) {
      for (const std::int32_t slot : slots_of) shares.push_back(detail.slot_shares[static_cast<std::size_t>(slot)]);
    }
    WriteEntries(RoutingEntries(slots_of, shares, detail.max_routing_entries), message);
  }
}

// How far the shares of one expert may be from adding up to 1: they may have been through a text.
constexpr double kShareTolerance = 1e-6;

// Adds one layer's shares, equal ones where none are stated.
void AppendShares(const google::protobuf::RepeatedField<double>& stated, std::span<const std::int32_t> slots,
                  int num_experts, const std::string& name, std::vector<double>& shares, FieldErrors& errors) {
  if (stated.empty()) {
    const std::vector<std::int32_t> replicas = CountReplicas(slots, num_experts);
    for (const std::int32_t expert : slots) shares.push_back(expert == kEmptySlot ? 0 : 1.0 / replicas[Index(expert)]);
    return;
  }
  if (static_cast<std::size_t>(stated.size()) != slots.size()) {
    errors.Add(name, absl::StrCat(stated.size(), " entries"),
               absl::StrCat("must be the number of slots, ", slots.size(), ", or none"));
    return;
  }
  std::vector<double> sums(Index(num_experts), 0.0);
  for (int slot = 0; slot < stated.size(); ++slot) {
    const double share = stated[slot];
    const std::int32_t expert = slots[Index(slot)];
    const double most = expert == kEmptySlot ? 0.0 : 1.0;
    if (!(share >= 0 && share <= most)) {
      errors.Add(absl::StrCat(name, "[", slot, "]"), absl::StrCat(share), absl::StrCat("must be from 0 to ", most));
      return;
    }
    if (expert != kEmptySlot) sums[Index(expert)] += share;
    shares.push_back(share);
  }
  for (std::size_t expert = 0; expert < sums.size(); ++expert) {
    if (std::abs(sums[expert] - 1.0) <= kShareTolerance) continue;
    errors.Add(name, absl::StrCat("sum ", sums[expert], " for expert ", expert), "must add up to 1 for each expert");
    return;
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

std::vector<double> ReadSlotShares(const LayerPlacementMessages& layers, const Placement& placement,
                                   std::string_view field, FieldErrors& errors) {
  const bool any = std::ranges::any_of(layers, [](const auto& layer) { return !layer.slot_shares().empty(); });
  if (!any) return {};
  FieldErrors own;
  std::vector<double> shares;
  for (int layer = 0; layer < layers.size(); ++layer) {
    const std::string name = LayerField(field, static_cast<std::size_t>(layer), "slot_shares");
    AppendShares(layers[layer].slot_shares(), placement.layer(layer), placement.num_experts(), name, shares, own);
  }
  errors.Merge("", own.ToStatus());
  return own.empty() ? shares : std::vector<double>();
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
