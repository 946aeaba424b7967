#include "server/rpc/convert/topology_message.h"

#include <cstdint>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

void CheckRange(FieldErrors& errors, std::string_view field, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return;
  errors.Add(field, absl::StrCat(value), absl::StrCat("must be from ", low, " to ", high));
}

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
  CheckRange(own, "num_gpus", options.num_gpus, 1, limits.max_gpus);
  CheckRange(own, "num_slots", options.num_slots, 1, limits.max_slots);
  CheckRange(own, "num_groups", options.num_groups, 1, limits.max_experts);
  if (own.empty()) CheckEvenSlots(own, message);
  if (own.empty()) own.Merge("", Topology::Create(options).status());
  errors.Merge(field, own.ToStatus());
  if (!own.empty()) return std::nullopt;
  return options;
}

bool ReadGpuList(const google::protobuf::RepeatedField<std::int32_t>& gpus, std::string_view field, int num_gpus,
                 std::vector<int>& out, FieldErrors& errors) {
  FieldErrors own;
  std::vector<bool> seen(static_cast<std::size_t>(num_gpus), false);
  for (int i = 0; i < gpus.size(); ++i) {
    const std::string element = absl::StrCat("[", i, "]");
    if (gpus[i] < 0 || gpus[i] >= num_gpus) {
      CheckRange(own, element, gpus[i], 0, num_gpus - 1);
    } else if (seen[static_cast<std::size_t>(gpus[i])]) {
      own.Add(element, absl::StrCat(gpus[i]), "must not be listed twice");
    } else {
      seen[static_cast<std::size_t>(gpus[i])] = true;
      out.push_back(gpus[i]);
    }
  }
  for (const FieldError& error : own.errors()) errors.Add(std::string(field) + error.field, error.value, error.rule);
  return own.empty();
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
