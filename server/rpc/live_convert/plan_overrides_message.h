#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_PLAN_OVERRIDES_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_PLAN_OVERRIDES_MESSAGE_H_

#include <cstdint>
#include <string_view>

#include "eplb/v1/plan_options.pb.h"
#include "server/base/field_errors.h"
#include "server/planner/plan_settings.h"
#include "server/rpc/convert/request_limits.h"

namespace eplb {

// What a deployment or a request for one states of its planning. Adds what is wrong to `errors`, under `field`
// ("options" gives "options.work_limit").
PlanOverrides ReadPlanOverrides(const v1::PlanOptions& message, std::string_view field, const RequestLimits& limits,
                                FieldErrors& errors);

// States them again.
void WritePlanOverrides(const PlanOverrides& overrides, v1::PlanOptions& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_PLAN_OVERRIDES_MESSAGE_H_
