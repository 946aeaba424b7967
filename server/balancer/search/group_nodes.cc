#include "server/balancer/search/group_nodes.h"

#include <algorithm>
#include <cstdint>

#include "server/base/index.h"

namespace eplb {
namespace {

// How many whole groups GPUs of these slots can hold: the condition is concave in their number and holds for none, so
// it holds up to some number and never after.
int GroupsThatFit(const std::vector<int>& slots_on, int num_groups, int group_size, int min_replicas) {
  const auto fit = [&](int groups) {
    std::int64_t places = 0;
    for (const int slots : slots_on) places += std::min(slots, groups * group_size);
    return places >= std::int64_t{min_replicas} * groups * group_size;
  };
  int low = 0;
  int high = num_groups;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    fit(middle) ? low = middle : high = middle - 1;
  }
  return low;
}

}  // namespace

std::vector<GroupPacking::Node> NodesForGroups(const Topology& topology, int num_experts, int min_replicas) {
  const int group_size = num_experts / topology.num_groups();
  std::vector<std::vector<int>> slots_on(Index(topology.num_nodes()));
  std::vector<GroupPacking::Node> nodes(Index(topology.num_nodes()));
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    const int slots = topology.slots_on(gpu);
    if (topology.excluded(gpu) || slots == 0) continue;
    GroupPacking::Node& node = nodes[Index(topology.node_of_gpu(gpu))];
    node.speed += topology.speed(gpu);
    node.least = std::max(node.least, (slots + group_size - 1) / group_size);
    slots_on[Index(topology.node_of_gpu(gpu))].push_back(slots);
  }
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    nodes[node].room = GroupsThatFit(slots_on[node], topology.num_groups(), group_size, min_replicas);
  }
  return nodes;
}

}  // namespace eplb
