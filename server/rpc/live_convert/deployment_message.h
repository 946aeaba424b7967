#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_DEPLOYMENT_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_DEPLOYMENT_MESSAGE_H_

#include "eplb/v1/deployment.pb.h"
#include "server/planner/hub_types.h"

namespace eplb {

// States what the service knows of one deployment; max_routing_entries as in GetPlacementRequest.
void WriteDeploymentView(const DeploymentView& view, int max_routing_entries, v1::GetPlacementResponse& message);

// States a deployment in short.
void WriteDeploymentSummary(const DeploymentSummary& summary, v1::Deployment& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_DEPLOYMENT_MESSAGE_H_
