#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_DEPLOYMENT_SPEC_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_DEPLOYMENT_SPEC_MESSAGE_H_

#include <optional>
#include <string_view>

#include "eplb/v1/topology.pb.h"
#include "server/base/field_errors.h"
#include "server/planner/plan_settings.h"
#include "server/rpc/convert/request_limits.h"
#include "server/telemetry/deployment_spec.h"

namespace eplb {

// The deployment that a worker states. Its plan options are read by ReadPlanOverrides. Adds what is wrong to `errors`,
// under `field` ("hello.spec" gives "hello.spec.topology.num_gpus"), and is nullopt then.
std::optional<DeploymentSpec> ReadDeploymentSpec(const v1::DeploymentSpec& message, std::string_view field,
                                                 const RequestLimits& limits, FieldErrors& errors);

// States it again, with the options that came with it.
void WriteDeploymentSpec(const DeploymentSpec& spec, const PlanOverrides& options, v1::DeploymentSpec& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_DEPLOYMENT_SPEC_MESSAGE_H_
