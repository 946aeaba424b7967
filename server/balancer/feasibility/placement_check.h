#ifndef EPLB_SERVER_BALANCER_FEASIBILITY_PLACEMENT_CHECK_H_
#define EPLB_SERVER_BALANCER_FEASIBILITY_PLACEMENT_CHECK_H_

#include "absl/status/status.h"
#include "server/model/constraints.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// Whether a placement keeps the constraints: nothing on excluded GPUs, enough replicas and nodes for every expert,
// groups together, budgets kept. INVALID_ARGUMENT names the layer and the expert, slot or group that breaks the rule.
// Shapes agree and the constraints have passed CheckConstraints.
absl::Status CheckPlacement(const Placement& placement, const PlacementConstraints& constraints,
                            const Topology& topology);

// The same of one layer alone, without what is wrong.
bool KeepsRules(const Placement& placement, int layer, const PlacementConstraints& constraints,
                const Topology& topology);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_FEASIBILITY_PLACEMENT_CHECK_H_
