#ifndef EPLB_SERVER_RPC_CONVERT_REBALANCE_RESPONSE_H_
#define EPLB_SERVER_RPC_CONVERT_REBALANCE_RESPONSE_H_

#include "absl/time/time.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/balancer/balancer.h"
#include "server/rpc/convert/rebalance_request.h"

namespace eplb {

// States the plan that PlanRebalance made of `input`.
void WriteRebalanceResponse(const RebalanceInput& input, const RebalancePlan& plan, absl::Duration compute_duration,
                            v1::RebalanceResponse& response);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_REBALANCE_RESPONSE_H_
