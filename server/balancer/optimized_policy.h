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

struct OptimizedOptions {
  std::int64_t work_limit = 0;  // evaluated moves per layer, 0 for the default
  bool traffic_shares = false;  // plan for the shares that suit the placement best, not for even ones
};

// Plans every layer by LayerSearch (see search/layer_search.h), one search for each worker of `parallel`. For traffic
// shares the outcome is improved by ShareSearch (see search/share_search.h), with as much work again: never worse, with
// the best shares, than what is planned for even ones. samples: at least one, of equal shape. INVALID_ARGUMENT for
// constraints that make no sense for the shape, FAILED_PRECONDITION for those that no placement can keep, which names
// the experts that `current`, the placement in force or null, has lost.
absl::StatusOr<Placement> PlaceOptimized(std::span<const LoadSample> samples, const Topology& topology,
                                         const PlacementConstraints& constraints, const OptimizedOptions& options,
                                         const Placement* current, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_OPTIMIZED_POLICY_H_
