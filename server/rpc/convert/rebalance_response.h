#ifndef EPLB_SERVER_RPC_CONVERT_REBALANCE_RESPONSE_H_
#define EPLB_SERVER_RPC_CONVERT_REBALANCE_RESPONSE_H_

#include <cstdint>
#include <span>

#include "absl/time/time.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/balancer/balancer.h"
#include "server/planner/gated_rebalance.h"
#include "server/rpc/convert/rebalance_request.h"

namespace eplb {

// What a plan was made for, so that it can be stated. Nothing is owned.
struct PlanContext {
  const Topology& topology;  // as planned: with what was excluded
  std::span<const int> model_layers;
  const Placement* current = nullptr;  // null: there was none, "before" is the contiguous placement's
  std::int64_t bytes_per_expert = 0;
  int max_routing_entries = 0;
  std::span<const double> slot_shares = {};  // [layers x slots]; empty: equal parts
  const LoadMatrix* loads = nullptr;         // that the shares are for; null: not known
  double min_balancedness = 0;               // as the gate asked for: layers above it were left alone; 0: none
};

// States a plan. Reasons are given where there was a current placement.
void WritePlan(const PlanContext& context, const RebalancePlan& plan, v1::RebalanceResponse& response);

// States the plan that was made of `input`; without a gate its gain and cost are 0.
void WriteRebalanceResponse(const RebalanceInput& input, const GatedPlan& plan, absl::Duration compute_duration,
                            v1::RebalanceResponse& response);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_REBALANCE_RESPONSE_H_
