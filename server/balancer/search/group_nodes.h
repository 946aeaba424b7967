#ifndef EPLB_SERVER_BALANCER_SEARCH_GROUP_NODES_H_
#define EPLB_SERVER_BALANCER_SEARCH_GROUP_NODES_H_

#include <vector>

#include "server/balancer/search/group_packing.h"
#include "server/model/topology.h"

namespace eplb {

// The nodes of a topology as GroupPacking sees them: the speed of the usable GPUs, and between how many and how many
// groups of experts the slots can hold, each expert min_replicas times, without twins and without slots left over.
// The groups divide the experts.
std::vector<GroupPacking::Node> NodesForGroups(const Topology& topology, int num_experts, int min_replicas);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_GROUP_NODES_H_
