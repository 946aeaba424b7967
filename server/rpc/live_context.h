#ifndef EPLB_SERVER_RPC_LIVE_CONTEXT_H_
#define EPLB_SERVER_RPC_LIVE_CONTEXT_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/planner/hub.h"
#include "server/rpc/authorizer.h"
#include "server/rpc/convert/request_limits.h"
#include "server/rpc/status_details.h"
#include "server/rpc/stream_registry.h"
#include "server/rpc/watch_event_bytes.h"

namespace eplb {

// What the calls of the live service share; lives as long as the service.
struct LiveContext {
  Hub* hub = nullptr;  // null: there are no live deployments, see CheckLive
  const Authorizer& authorizer;
  const RequestLimits& limits;
  // A telemetry stream that has said no hello by then ends with DEADLINE_EXCEEDED.
  absl::Duration hello_deadline = absl::Seconds(10);
  StreamRegistry streams = {};
  WatchEventBytes event_bytes = {};
};

// What is answered where the server keeps no deployments live.
inline absl::Status NoLiveDeployments() {
  return WithReason(
      absl::FailedPreconditionError("this server keeps no live deployments (live.enabled is false), it only "
                                    "serves Rebalance with samples: send fleets to one that does"),
      "LIVE_DEPLOYMENTS_DISABLED");
}

// FAILED_PRECONDITION where the server keeps no deployments live.
inline absl::Status CheckLive(const LiveContext& live) {
  return live.hub != nullptr ? absl::OkStatus() : NoLiveDeployments();
}

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONTEXT_H_
