#include "server/model/contiguous_placement.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"

namespace eplb {
namespace {

std::vector<std::int32_t> ContiguousLayer(int num_experts, const Topology& topology) {
  const int num_gpus = topology.num_gpus();
  const int redundant = topology.num_slots() - num_experts;
  std::vector<std::int32_t> slots;
  slots.reserve(static_cast<std::size_t>(topology.num_slots()));
  if (!topology.has_even_slots() || num_experts % num_gpus != 0 || redundant % num_gpus != 0) {
    for (int slot = 0; slot < topology.num_slots(); ++slot) slots.push_back(slot % num_experts);
    return slots;
  }
  const int own = num_experts / num_gpus;
  const int extra = redundant / num_gpus;
  for (int gpu = 0; gpu < num_gpus; ++gpu) {
    for (int i = 0; i < own; ++i) slots.push_back(gpu * own + i);
    for (int i = 0; i < extra; ++i) {
      const std::int64_t j = static_cast<std::int64_t>(gpu) * extra + i;
      slots.push_back(static_cast<std::int32_t>((j * own + num_experts / 2) % num_experts));
    }
  }
  return slots;
}

}  // namespace

absl::StatusOr<Placement> ContiguousPlacement(int num_layers, int num_experts, const Topology& topology) {
  if (topology.num_slots() < num_experts) {
    return FieldErrorStatus("num_slots", absl::StrCat(topology.num_slots()),
                            absl::StrCat("must be at least the number of experts, ", num_experts));
  }
  if (num_layers < 1 || num_experts < 1) {
    return Placement::Create(num_layers, num_experts, topology.num_slots(), {});  // reports the bounds
  }
  const std::vector<std::int32_t> layer = ContiguousLayer(num_experts, topology);
  std::vector<std::int32_t> all;
  all.reserve(layer.size() * static_cast<std::size_t>(num_layers));
  for (int i = 0; i < num_layers; ++i) all.insert(all.end(), layer.begin(), layer.end());
  return Placement::Create(num_layers, num_experts, topology.num_slots(), std::move(all));
}

}  // namespace eplb
