#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_LIVE_REBALANCE_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_LIVE_REBALANCE_MESSAGE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/planner/hub_types.h"
#include "server/rpc/convert/request_limits.h"

namespace eplb {

// Reads a Rebalance that carries no samples. INVALID_ARGUMENT names each field.
absl::StatusOr<RebalanceNowRequest> ReadLiveRebalance(const v1::RebalanceRequest& request, const RequestLimits& limits);

// States what became of it. default_bytes_per_expert counts where neither request nor deployment state their own.
void WriteLiveRebalance(const v1::RebalanceRequest& request, const RebalanceNowResult& result,
                        std::int64_t default_bytes_per_expert, absl::Duration compute_duration,
                        v1::RebalanceResponse& response);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_LIVE_REBALANCE_MESSAGE_H_
