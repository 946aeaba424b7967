#ifndef EPLB_SERVER_BALANCER_SEARCH_PACKING_PROBLEM_H_
#define EPLB_SERVER_BALANCER_SEARCH_PACKING_PROBLEM_H_

#include <cstdint>
#include <span>

namespace eplb {

// Experts to be replicated and placed on GPUs under one load sample: a whole layer, or one node's share of it when
// expert groups are kept on nodes.
//
// Choose replicas r(e) >= min_replicas with sum r(e) = sum slots_on(g), and which GPUs hold them, so that
//   max over g of  (sum of load(e) / r(e) over the experts e on g) / speed(g)
// is least and no GPU holds an expert twice. Spans are borrowed.
struct PackingProblem {
  std::span<const double> loads;           // [experts] finite, >= 0
  std::span<const std::int32_t> slots_on;  // [gpus] each in [1, experts], at least as many slots as experts in total
  std::span<const double> speed;           // [gpus] each > 0
  int min_replicas = 1;                    // at most gpus; experts * min_replicas <= slots
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_PACKING_PROBLEM_H_
