#ifndef EPLB_SERVER_APP_OPTIONS_FROM_CONFIG_H_
#define EPLB_SERVER_APP_OPTIONS_FROM_CONFIG_H_

#include "server/config/config.h"
#include "server/log/logger.h"
#include "server/metrics/hub_metrics.h"
#include "server/planner/hub_options.h"
#include "server/rpc/convert/plan_options_message.h"
#include "server/rpc/convert/request_limits.h"
#include "server/rpc/server_options.h"

namespace eplb {

// What each part is to know of the configuration, in the part's own words. The configuration is valid, so nothing here
// fails.
LoggerOptions LoggerOptionsOf(const Config& config);
ServerOptions ServerOptionsOf(const Config& config);
RequestLimits RequestLimitsOf(const Config& config);
PlanDefaults PlanDefaultsOf(const Config& config);
HubOptions HubOptionsOf(const Config& config);
HubMetricsOptions HubMetricsOptionsOf(const Config& config);

// Threads that plan: one for each CPU where the configuration does not say. At least 1.
int PlanningThreadsOf(const Config& config);

}  // namespace eplb

#endif  // EPLB_SERVER_APP_OPTIONS_FROM_CONFIG_H_
