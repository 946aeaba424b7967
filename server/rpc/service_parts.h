#ifndef EPLB_SERVER_RPC_SERVICE_PARTS_H_
#define EPLB_SERVER_RPC_SERVICE_PARTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/parallel_for.h"
#include "server/base/worker_pool.h"
#include "server/planner/hub.h"
#include "server/rpc/convert/plan_options_message.h"
#include "server/rpc/convert/request_limits.h"
#include "server/rpc/observer.h"

namespace eplb {

// What the service works with. Pointers are required unless said otherwise, are not owned, and must outlive it. Between
// the server's Shutdown and its end the pool must be drained, as what is queued there still holds calls.
struct EplbServiceParts {
  WorkerPool* pool = nullptr;             // plans; gRPC's own threads never do
  const ParallelFor* parallel = nullptr;  // within one plan
  const Clock* clock = &RealClock();
  RebalanceObserver* rebalance_observer = nullptr;  // null: nobody is told

  Hub* hub = nullptr;  // null: no live deployments, only Rebalance with samples is served

  RequestLimits limits = {};
  PlanDefaults plan_defaults = {};
  absl::Duration request_id_retention = absl::Minutes(2);
  std::size_t request_id_capacity = 256;              // answers kept for equal request ids
  absl::Duration reconnect_delay = absl::Seconds(1);  // that streams are asked to wait for when the server drains
  absl::Duration hello_deadline = absl::Seconds(10);  // as LiveContext
  std::size_t max_queued_bytes = 256 << 20;           // of Rebalance requests that wait or are planned
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_SERVICE_PARTS_H_
