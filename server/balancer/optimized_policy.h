#ifndef EPLB_SERVER_BALANCER_OPTIMIZED_POLICY_H_
#define EPLB_SERVER_BALANCER_OPTIMIZED_POLICY_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "server/base/parallel_for.h"
#include "server/model/constraints.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// Plans every layer by LayerSearch (see search/layer_search.h), one search for each worker of `parallel`. samples: at
// least one, of equal shape. work_limit: evaluated moves per layer, 0 for the default. INVALID_ARGUMENT for
// constraints that make no sense for the shape, FAILED_PRECONDITION for those that no placement can keep.
absl::StatusOr<Placement> PlaceOptimized(std::span<const LoadSample> samples, const Topology& topology,
                                         const PlacementConstraints& constraints, std::int64_t work_limit,
                                         const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_OPTIMIZED_POLICY_H_
