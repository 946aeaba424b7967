#ifndef EPLB_SERVER_BALANCER_LOWER_BOUND_H_
#define EPLB_SERVER_BALANCER_LOWER_BOUND_H_

#include <span>

#include "server/model/topology.h"

namespace eplb {

// A proven lower bound on the largest GPU load (tokens per unit of speed, see balance_metrics.h) of any placement of
// one layer that shares each expert's load evenly over its replicas: the larger of
//   * the mean: total load / total speed of the usable GPUs;
//   * the min-max replica load: with `slots` usable slots, the smallest value that the load of the heaviest replica can
//     take when replica counts are free. Giving each further replica to the heaviest is optimal for that (an exchange
//     argument: an expert above the value needs one more replica in every better choice). It is divided by the highest
//     speed, since the heaviest replica may sit on the fastest GPU.
// loads: [num_experts], >= 0; slots >= num_experts is the number of usable slots.
double LayerLowerBound(std::span<const double> loads, int slots, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_LOWER_BOUND_H_
