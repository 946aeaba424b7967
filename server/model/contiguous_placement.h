#ifndef EPLB_SERVER_MODEL_CONTIGUOUS_PLACEMENT_H_
#define EPLB_SERVER_MODEL_CONTIGUOUS_PLACEMENT_H_

#include "absl/status/statusor.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// The layout that an engine starts with, the same in every layer. With E experts, R redundant slots and G GPUs, where
// G divides both E and R and slots are even: each GPU holds its E/G consecutive experts and then its R/G redundant
// ones, the j-th redundant slot, counted over all GPUs, being a replica of expert (j * floor(E/G) + floor(E/2)) mod E.
// Otherwise slots hold 0..E-1 and then j mod E for the j-th redundant slot.
//
// Worked example: E = 8, R = 4, G = 4: GPU 0 holds 0 1 | 4, GPU 1 holds 2 3 | 6, GPU 2 holds 4 5 | 0, GPU 3 6 7 | 2.
//
// It knows nothing of speeds or exclusions. INVALID_ARGUMENT when there are fewer slots than experts.
absl::StatusOr<Placement> ContiguousPlacement(int num_layers, int num_experts, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_CONTIGUOUS_PLACEMENT_H_
