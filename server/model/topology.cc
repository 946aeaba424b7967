#include "server/model/topology.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/model/gpu_list.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

std::string Element(std::string_view field, std::size_t index) {
  return absl::StrCat(std::string(field), "[", index, "]");
}

template <typename T>
bool CheckLength(FieldErrors& errors, std::string_view field, const std::vector<T>& values, int num_gpus) {
  if (values.empty()) return false;
  if (values.size() == static_cast<std::size_t>(num_gpus)) return true;
  errors.Add(field, absl::StrCat(values.size(), " entries"),
             absl::StrCat("must have num_gpus = ", num_gpus, " or none"));
  return false;
}

void CheckSlots(FieldErrors& errors, const TopologyOptions& options) {
  if (!CheckLength(errors, "slots_per_gpu", options.slots_per_gpu, options.num_gpus)) return;
  std::int64_t sum = 0;
  for (std::size_t gpu = 0; gpu < options.slots_per_gpu.size(); ++gpu) {
    errors.CheckRange(Element("slots_per_gpu", gpu), options.slots_per_gpu[gpu], 0, kMaxSlots);
    sum += options.slots_per_gpu[gpu];
  }
  if (sum != options.num_slots) {
    errors.Add("slots_per_gpu", absl::StrCat("sum ", sum), absl::StrCat("must sum to num_slots = ", options.num_slots));
  }
}

void CheckSpeeds(FieldErrors& errors, const TopologyOptions& options) {
  if (!CheckLength(errors, "gpu_speed", options.gpu_speed, options.num_gpus)) return;
  for (std::size_t gpu = 0; gpu < options.gpu_speed.size(); ++gpu) {
    const double speed = options.gpu_speed[gpu];
    if (!(speed >= 1.0 / kMaxSpeedRatio && speed <= kMaxSpeedRatio)) {
      errors.Add(Element("gpu_speed", gpu), absl::StrCat(speed),
                 absl::StrCat("must be from 1/", kMaxSpeedRatio, " to ", kMaxSpeedRatio));
    }
  }
}

void CheckNodes(FieldErrors& errors, const TopologyOptions& options) {
  if (!CheckLength(errors, "node_of_gpu", options.node_of_gpu, options.num_gpus)) return;
  for (std::size_t gpu = 0; gpu < options.node_of_gpu.size(); ++gpu) {
    errors.CheckRange(Element("node_of_gpu", gpu), options.node_of_gpu[gpu], 0, options.num_nodes - 1);
  }
}

void CheckExcluded(FieldErrors& errors, const TopologyOptions& options) {
  const std::vector<bool> excluded = CheckGpuList(options.excluded_gpus, "excluded_gpus", options.num_gpus, errors);
  const std::vector<bool> draining = CheckGpuList(options.draining_gpus, "draining_gpus", options.num_gpus, errors);
  for (int gpu = 0; gpu < options.num_gpus; ++gpu) {
    if (draining[static_cast<std::size_t>(gpu)] && !excluded[static_cast<std::size_t>(gpu)]) {
      errors.Add("draining_gpus", absl::StrCat(gpu), "must be in excluded_gpus too");
    }
  }
}

// Splits `total` into `parts` as equal as possible, the larger parts first.
std::vector<int> SplitEvenly(int total, int parts) {
  std::vector<int> sizes(static_cast<std::size_t>(parts), total / parts);
  for (int i = 0; i < total % parts; ++i) ++sizes[static_cast<std::size_t>(i)];
  return sizes;
}

std::vector<int> ConsecutiveBlocks(int num_gpus, int num_nodes) {
  std::vector<int> node_of_gpu;
  node_of_gpu.reserve(static_cast<std::size_t>(num_gpus));
  const std::vector<int> sizes = SplitEvenly(num_gpus, num_nodes);
  for (int node = 0; node < num_nodes; ++node) {
    node_of_gpu.insert(node_of_gpu.end(), static_cast<std::size_t>(sizes[static_cast<std::size_t>(node)]), node);
  }
  return node_of_gpu;
}

}  // namespace

absl::StatusOr<Topology> Topology::Create(TopologyOptions options) {
  FieldErrors errors;
  errors.CheckRange("num_gpus", options.num_gpus, 1, kMaxGpus);
  errors.CheckRange("num_slots", options.num_slots, 1, kMaxSlots);
  errors.CheckRange("num_groups", options.num_groups, 1, kMaxExperts);
  if (!errors.empty()) return errors.ToStatus();
  errors.CheckRange("num_nodes", options.num_nodes, 1, options.num_gpus);
  CheckSlots(errors, options);
  CheckSpeeds(errors, options);
  CheckNodes(errors, options);
  CheckExcluded(errors, options);
  if (!errors.empty()) return errors.ToStatus();

  const auto num_gpus = static_cast<std::size_t>(options.num_gpus);
  Topology topology;
  topology.num_gpus_ = options.num_gpus;
  topology.num_nodes_ = options.num_nodes;
  topology.num_groups_ = options.num_groups;
  const std::vector<int> blocks = ConsecutiveBlocks(options.num_gpus, options.num_nodes);
  topology.node_of_gpu_ = options.node_of_gpu.empty() ? blocks : options.node_of_gpu;
  topology.has_block_nodes_ = options.num_gpus % options.num_nodes == 0 && topology.node_of_gpu_ == blocks;
  topology.speed_ = options.gpu_speed.empty() ? std::vector<double>(num_gpus, 1.0) : std::move(options.gpu_speed);
  topology.excluded_.assign(num_gpus, false);
  topology.can_send_.assign(num_gpus, true);
  for (int gpu : options.excluded_gpus) {
    topology.excluded_[static_cast<std::size_t>(gpu)] = true;
    topology.can_send_[static_cast<std::size_t>(gpu)] = false;
  }
  for (int gpu : options.draining_gpus) topology.can_send_[static_cast<std::size_t>(gpu)] = true;

  const std::vector<int> slots = options.slots_per_gpu.empty() ? SplitEvenly(options.num_slots, options.num_gpus)
                                                               : std::move(options.slots_per_gpu);
  topology.first_slot_.assign(1, 0);
  for (std::size_t gpu = 0; gpu < num_gpus; ++gpu) {
    topology.first_slot_.push_back(topology.first_slot_.back() + slots[gpu]);
    topology.gpu_of_slot_.insert(topology.gpu_of_slot_.end(), static_cast<std::size_t>(slots[gpu]),
                                 static_cast<int>(gpu));
    if (topology.excluded_[gpu]) continue;
    ++topology.num_usable_gpus_;
    topology.num_usable_slots_ += slots[gpu];
  }
  if (topology.num_usable_slots_ == 0) {
    return FieldErrorStatus("excluded_gpus", absl::StrCat(options.excluded_gpus.size(), " GPUs"),
                            "must leave at least one GPU with a slot");
  }
  topology.has_even_slots_ = std::adjacent_find(slots.begin(), slots.end(), std::not_equal_to<>()) == slots.end();
  const auto is_one = [](double speed) { return speed == 1.0; };
  topology.is_uniform_ = topology.has_even_slots_ && options.excluded_gpus.empty() &&
                         std::all_of(topology.speed_.begin(), topology.speed_.end(), is_one);
  return topology;
}

}  // namespace eplb
