#ifndef EPLB_SERVER_BALANCER_REPLAN_POLICY_H_
#define EPLB_SERVER_BALANCER_REPLAN_POLICY_H_

#include "absl/status/statusor.h"
#include "server/balancer/balancer.h"
#include "server/base/parallel_for.h"
#include "server/model/placement.h"

namespace eplb {

// A full plan as it should be put in force in place of problem.current, which is not null: experts that stay on a GPU
// keep their slot. Of the optimizing policy's plans also, layer by layer:
//   * a layer for which the current slots are as good and keep every rule stays as it is;
//   * else the planned GPUs become those real ones that have most of their experts already (see
//     migration/gpu_relabelling.h), and GPUs exchange replicas of equal load where that saves fetches (see
//     migration/fetch_reduction.h): within nodes as wholes where the constraints say what shares a node.
// For traffic shares "as good" is with the best shares for each placement, and replicas are only exchanged where that
// costs nothing then. The reference policies' plans are the published algorithm's, which names GPUs as it does.
Placement FitToCurrent(const RebalanceProblem& problem, const Placement& planned, Policy policy,
                       const ParallelFor& parallel, bool traffic_shares = false);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_REPLAN_POLICY_H_
