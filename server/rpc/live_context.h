#ifndef EPLB_SERVER_RPC_LIVE_CONTEXT_H_
#define EPLB_SERVER_RPC_LIVE_CONTEXT_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/planner/hub.h"
#include "server/rpc/authorizer.h"
#include "server/rpc/convert/request_limits.h"
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

// UNIMPLEMENTED where the server keeps no deployments live.
inline absl::Status CheckLive(const LiveContext& live) {
  if (live.hub != nullptr) return absl::OkStatus();
  return absl::UnimplementedError("this server has no live deployments: only Rebalance with samples is served");
}

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONTEXT_H_
