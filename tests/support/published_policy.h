#ifndef EPLB_TESTS_SUPPORT_PUBLISHED_POLICY_H_
#define EPLB_TESTS_SUPPORT_PUBLISHED_POLICY_H_

#include "server/balancer/balancer.h"
#include "server/model/topology.h"

namespace eplb {

// What the published algorithm chooses by itself (deepseek-ai/EPLB, eplb.py, rebalance_experts): hierarchical iff nodes
// divide groups.
inline Policy PublishedPolicy(const Topology& topology) {
  return topology.num_groups() % topology.num_nodes() == 0 ? Policy::kHierarchical : Policy::kGlobal;
}

}  // namespace eplb

#endif  // EPLB_TESTS_SUPPORT_PUBLISHED_POLICY_H_
