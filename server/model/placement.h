#ifndef EPLB_SERVER_MODEL_PLACEMENT_H_
#define EPLB_SERVER_MODEL_PLACEMENT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace eplb {

// A slot that holds no expert in some layer.
inline constexpr std::int32_t kEmptySlot = -1;

// Which logical expert each physical slot holds: physical_to_logical [layers, slots], row major, each value in
// [0, num_experts) or kEmptySlot, every expert in at least one slot of every layer. Immutable but for assignment.
class Placement {
 public:
  // INVALID_ARGUMENT names the layer and slot of a bad value as "layers[layer].physical_to_logical[slot]", or the
  // layer and expert of one that no slot holds.
  static absl::StatusOr<Placement> Create(int num_layers, int num_experts, int num_slots,
                                          std::vector<std::int32_t> physical_to_logical);

  int num_layers() const { return num_layers_; }
  int num_experts() const { return num_experts_; }
  int num_slots() const { return num_slots_; }

  // The slots of one layer: [num_slots].
  std::span<const std::int32_t> layer(int index) const {
    const auto width = static_cast<std::size_t>(num_slots_);
    return std::span<const std::int32_t>(physical_to_logical_).subspan(static_cast<std::size_t>(index) * width, width);
  }
  // All layers, row major.
  std::span<const std::int32_t> physical_to_logical() const { return physical_to_logical_; }

  bool operator==(const Placement&) const = default;

 private:
  Placement(int num_layers, int num_experts, int num_slots, std::vector<std::int32_t> physical_to_logical);

  int num_layers_;
  int num_experts_;
  int num_slots_;
  std::vector<std::int32_t> physical_to_logical_;
};

// Replicas of each expert in one layer's slots: [num_experts]. Every value of slots is in [-1, num_experts).
std::vector<std::int32_t> CountReplicas(std::span<const std::int32_t> slots, int num_experts);

// The inverse map of one layer: for each expert its slots, in slot order.
std::vector<std::vector<std::int32_t>> LogicalToPhysical(std::span<const std::int32_t> slots, int num_experts);

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_PLACEMENT_H_
