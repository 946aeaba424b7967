#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_WATCH_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_WATCH_MESSAGE_H_

#include "absl/status/statusor.h"
#include "eplb/v1/watch.pb.h"
#include "server/placement/placement_status.h"
#include "server/placement/watch_event.h"
#include "server/planner/hub_types.h"
#include "server/telemetry/deployment_spec.h"

namespace eplb {

// INVALID_ARGUMENT names the field. What names may hold is checked by the hub, which does not know other ones.
absl::StatusOr<WatchRequest> ReadWatchRequest(const v1::WatchPlacementsRequest& request);

// Reads a status report. INVALID_ARGUMENT names the field.
absl::StatusOr<PlacementStatus> ReadPlacementStatus(const v1::ReportPlacementStatusRequest& request);

// States one event of a watch on the deployment.
void WriteWatchEvent(const WatchEvent& event, const DeploymentSpec& spec, v1::WatchPlacementsResponse& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_WATCH_MESSAGE_H_
