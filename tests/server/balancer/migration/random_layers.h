#ifndef EPLB_TESTS_SERVER_BALANCER_MIGRATION_RANDOM_LAYERS_H_
#define EPLB_TESTS_SERVER_BALANCER_MIGRATION_RANDOM_LAYERS_H_

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

inline int RandomInt(std::mt19937_64& random, int low, int high) {
  return low + static_cast<int>(random() % static_cast<std::uint64_t>(high - low + 1));
}

inline Topology MakeTopology(TopologyOptions options) {
  absl::StatusOr<Topology> topology = Topology::Create(std::move(options));
  EPLB_CHECK(topology.ok());
  return *std::move(topology);
}

// Uneven slots, two speeds, nodes of any size, sometimes dead or draining GPUs; at least one GPU with slots is usable.
inline Topology RandomTopology(std::mt19937_64& random, int max_gpus, int max_slots_per_gpu) {
  TopologyOptions options;
  options.num_gpus = RandomInt(random, 1, max_gpus);
  options.num_nodes = RandomInt(random, 1, options.num_gpus);
  const bool even = RandomInt(random, 0, 1) == 0;
  for (int gpu = 0; gpu < options.num_gpus; ++gpu) {
    options.slots_per_gpu.push_back(even ? max_slots_per_gpu : RandomInt(random, 1, max_slots_per_gpu));
    options.gpu_speed.push_back(RandomInt(random, 0, 3) == 0 ? 2.0 : 1.0);
    options.node_of_gpu.push_back(gpu < options.num_nodes ? gpu : RandomInt(random, 0, options.num_nodes - 1));
    if (gpu == 0 || RandomInt(random, 0, 5) != 0) continue;
    options.excluded_gpus.push_back(gpu);
    if (RandomInt(random, 0, 1) == 0) options.draining_gpus.push_back(gpu);
  }
  options.num_slots = std::accumulate(options.slots_per_gpu.begin(), options.slots_per_gpu.end(), 0);
  return MakeTopology(options);
}

// Every expert in one usable slot at least; about one slot in `empty_one_in` of the rest stays empty (0: none). Slots
// of excluded GPUs are filled too when asked for. Needs num_usable_slots() >= num_experts.
inline std::vector<std::int32_t> RandomLayer(std::mt19937_64& random, const Topology& topology, int num_experts,
                                             int empty_one_in, bool fill_excluded = false) {
  std::vector<std::int32_t> usable;
  std::vector<std::int32_t> slots(Index(topology.num_slots()), kEmptySlot);
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    if (!topology.excluded(topology.gpu_of_slot(slot))) {
      usable.push_back(slot);
    } else if (fill_excluded) {
      slots[Index(slot)] = RandomInt(random, 0, num_experts - 1);
    }
  }
  EPLB_CHECK(static_cast<int>(usable.size()) >= num_experts);
  std::shuffle(usable.begin(), usable.end(), random);
  for (std::size_t i = 0; i < usable.size(); ++i) {
    std::int32_t expert = static_cast<std::int32_t>(i);
    if (expert >= num_experts) {
      const bool empty = empty_one_in > 0 && RandomInt(random, 1, empty_one_in) == 1;
      expert = empty ? kEmptySlot : RandomInt(random, 0, num_experts - 1);
    }
    slots[Index(usable[i])] = expert;
  }
  return slots;
}

inline Placement OneLayer(int num_experts, const std::vector<std::int32_t>& slots) {
  absl::StatusOr<Placement> placement = Placement::Create(1, num_experts, static_cast<int>(slots.size()), slots);
  EPLB_CHECK(placement.ok());
  return *std::move(placement);
}

}  // namespace eplb

#endif  // EPLB_TESTS_SERVER_BALANCER_MIGRATION_RANDOM_LAYERS_H_
