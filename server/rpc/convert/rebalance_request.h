#ifndef EPLB_SERVER_RPC_CONVERT_REBALANCE_REQUEST_H_
#define EPLB_SERVER_RPC_CONVERT_REBALANCE_REQUEST_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/balancer/balancer.h"
#include "server/base/parallel_for.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/planner/gated_rebalance.h"
#include "server/rpc/convert/plan_options_message.h"
#include "server/rpc/convert/request_limits.h"

namespace eplb {

// A Rebalance request with loads, checked: what PlanRebalance is called with, owned.
struct RebalanceInput {
  Topology topology;
  std::vector<int> model_layers;  // absolute index of each layer
  std::vector<LoadSample> samples;
  std::optional<Placement> current;
  PlacementConstraints constraints;
  RebalanceOptions options;
  std::optional<PlanSettings> gate;    // unset: none
  std::vector<double> current_shares;  // [layers x slots] of `current`; empty: equal ones
  int max_routing_entries = 0;

  // Points into this object, which must outlive it unmoved.
  RebalanceProblem problem() const {
    return {.topology = &topology,
            .samples = samples,
            .current = current ? &*current : nullptr,
            .current_shares = current_shares,
            .constraints = constraints};
  }
};

// Reads a request that carries samples. INVALID_ARGUMENT names each field, value and bound (FieldErrorsOf), by its path
// in the request; FAILED_PRECONDITION where the usable slots do not cover all experts.
absl::StatusOr<RebalanceInput> ReadRebalanceRequest(const v1::RebalanceRequest& request, const PlanDefaults& defaults,
                                                    const RequestLimits& limits);

// Plans as the request asks: through its gate where it has one; else gain and cost are not known, and 0. Errors are
// those of PlanRebalance.
absl::StatusOr<GatedPlan> PlanRequested(const RebalanceInput& input, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_REBALANCE_REQUEST_H_
