#include "server/rpc/convert/topology_message.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

// Slots over all GPUs: as stated, or the sum where only slots_per_gpu is. Values that are no sum of valid entries are
// left to Topology::Create, which names the entry.
int NumSlots(const v1::Topology& message, const RequestLimits& limits) {
  if (message.num_slots() != 0 || message.slots_per_gpu().empty()) return message.num_slots();
  std::int64_t sum = 0;
  for (const std::int32_t slots : message.slots_per_gpu()) sum += slots;
  return static_cast<int>(std::clamp<std::int64_t>(sum, 0, std::int64_t{limits.max_slots} + 1));
}

void CheckEvenSlots(FieldErrors& errors, const v1::Topology& message) {
  if (!message.slots_per_gpu().empty()) return;
  if (message.num_slots() % message.num_gpus() == 0) return;
  errors.Add("num_slots", absl::StrCat(message.num_slots()),
             absl::StrCat("must be a multiple of num_gpus = ", message.num_gpus(), " without slots_per_gpu"));
}

}  // namespace

std::optional<TopologyOptions> ReadTopology(const v1::Topology& message, std::string_view field,
                                            const RequestLimits& limits, FieldErrors& errors) {
  FieldErrors own;
  TopologyOptions options{
      .num_gpus = message.num_gpus(),
      .num_nodes = message.num_nodes() == 0 ? 1 : message.num_nodes(),
      .num_groups = message.num_groups() == 0 ? 1 : message.num_groups(),
      .num_slots = NumSlots(message, limits),
      .slots_per_gpu = {message.slots_per_gpu().begin(), message.slots_per_gpu().end()},
      .gpu_speed = {message.gpu_speed().begin(), message.gpu_speed().end()},
      .node_of_gpu = {message.node_of_gpu().begin(), message.node_of_gpu().end()},
  };
  own.CheckRange("num_gpus", options.num_gpus, 1, limits.max_gpus);
  own.CheckRange("num_slots", options.num_slots, 1, limits.max_slots);
  own.CheckRange("num_groups", options.num_groups, 1, limits.max_experts);
  if (own.empty()) CheckEvenSlots(own, message);
  if (own.empty()) own.Merge("", Topology::Create(options).status());
  errors.Merge(field, own.ToStatus());
  if (!own.empty()) return std::nullopt;
  return options;
}

v1::Topology TopologyMessage(const TopologyOptions& options) {
  v1::Topology message;
  message.set_num_gpus(options.num_gpus);
  message.set_num_nodes(options.num_nodes);
  message.set_num_groups(options.num_groups);
  message.set_num_slots(options.num_slots);
  message.mutable_slots_per_gpu()->Add(options.slots_per_gpu.begin(), options.slots_per_gpu.end());
  message.mutable_gpu_speed()->Add(options.gpu_speed.begin(), options.gpu_speed.end());
  message.mutable_node_of_gpu()->Add(options.node_of_gpu.begin(), options.node_of_gpu.end());
  return message;
}

}  // namespace eplb
