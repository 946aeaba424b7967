#include "server/model/placement.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

// Adds what is wrong with one layer; `seen` is scratch of num_experts + 1 entries, of which the first is of empty
// slots.
void CheckLayer(FieldErrors& errors, int layer, std::span<const std::int32_t> slots, std::vector<char>& seen) {
  std::ranges::fill(seen, 0);
  const auto num_experts = static_cast<std::int32_t>(seen.size()) - 1;
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    const auto entry = static_cast<std::size_t>(slots[slot] - kEmptySlot);
    if (entry >= seen.size()) {
      errors.Add(absl::StrCat("layers[", layer, "].physical_to_logical[", slot, "]"), absl::StrCat(slots[slot]),
                 absl::StrCat("must be from -1 (empty) to ", num_experts - 1));
    } else {
      seen[entry] = 1;
    }
  }
  const auto missing = std::count(seen.begin() + 1, seen.end(), 0);
  if (missing > 0) {
    const auto first = std::find(seen.begin() + 1, seen.end(), 0) - seen.begin() - 1;
    errors.Add(absl::StrCat("layers[", layer, "].physical_to_logical"), "",
               absl::StrCat("must hold every expert: ", missing, " missing, the first is expert ", first));
  }
}

}  // namespace

Placement::Placement(int num_layers, int num_experts, int num_slots, std::vector<std::int32_t> physical_to_logical)
    : num_layers_(num_layers),
      num_experts_(num_experts),
      num_slots_(num_slots),
      physical_to_logical_(std::move(physical_to_logical)) {}

absl::StatusOr<Placement> Placement::Create(int num_layers, int num_experts, int num_slots,
                                            std::vector<std::int32_t> physical_to_logical) {
  FieldErrors errors;
  const auto check = [&](std::string_view what, int value, int high) {
    if (value < 1 || value > high) {
      errors.Add("layers", absl::StrCat(value, " ", std::string(what)), absl::StrCat("must be from 1 to ", high));
    }
  };
  check("layers", num_layers, kMaxLayers);
  check("experts", num_experts, kMaxExperts);
  check("slots", num_slots, kMaxSlots);
  if (!errors.empty()) return errors.ToStatus();
  if (physical_to_logical.size() != static_cast<std::size_t>(num_layers) * static_cast<std::size_t>(num_slots)) {
    return FieldErrorStatus("layers", absl::StrCat(physical_to_logical.size(), " values"),
                            absl::StrCat("must be layers x slots = ", num_layers, " x ", num_slots));
  }
  Placement placement(num_layers, num_experts, num_slots, std::move(physical_to_logical));
  std::vector<char> seen(static_cast<std::size_t>(num_experts) + 1);
  for (int layer = 0; layer < num_layers; ++layer) CheckLayer(errors, layer, placement.layer(layer), seen);
  if (!errors.empty()) return errors.ToStatus();
  return placement;
}

std::vector<std::int32_t> CountReplicas(std::span<const std::int32_t> slots, int num_experts) {
  std::vector<std::int32_t> counts(static_cast<std::size_t>(num_experts), 0);
  for (std::int32_t expert : slots) {
    if (expert != kEmptySlot) ++counts[static_cast<std::size_t>(expert)];
  }
  return counts;
}

std::vector<std::vector<std::int32_t>> LogicalToPhysical(std::span<const std::int32_t> slots, int num_experts) {
  std::vector<std::vector<std::int32_t>> slots_of(static_cast<std::size_t>(num_experts));
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    if (slots[slot] != kEmptySlot) {
      slots_of[static_cast<std::size_t>(slots[slot])].push_back(static_cast<std::int32_t>(slot));
    }
  }
  return slots_of;
}

}  // namespace eplb
