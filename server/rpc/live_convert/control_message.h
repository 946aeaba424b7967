#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_CONTROL_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_CONTROL_MESSAGE_H_

#include <string_view>

#include "eplb/v1/deployment.pb.h"
#include "server/base/field_errors.h"
#include "server/planner/deployment_control.h"

namespace eplb {

// A control that a worker hands back. Adds what cannot be read to `errors`, under `field`; its GPUs are checked by
// ValidateControl.
DeploymentControl ReadControl(const v1::DeploymentControl& message, std::string_view field, FieldErrors& errors);

void WriteControl(const DeploymentControl& control, v1::DeploymentControl& message);

// What an UpdateDeployment asks for. Adds what cannot be read to `errors`; its GPUs are checked by ApplyControlChange.
ControlChange ReadControlChange(const v1::UpdateDeploymentRequest& request, FieldErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_CONTROL_MESSAGE_H_
