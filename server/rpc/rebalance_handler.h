#ifndef EPLB_SERVER_RPC_REBALANCE_HANDLER_H_
#define EPLB_SERVER_RPC_REBALANCE_HANDLER_H_

#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/rpc/authorizer.h"
#include "server/rpc/request_cache.h"
#include "server/rpc/service_parts.h"
#include "server/rpc/unary_call.h"

namespace eplb {

// Answers Rebalance: reads the head of a request where it arrives, and leaves the rest to the planning pool. A plan
// that nobody waits for any more (all its callers have cancelled, or are past their deadlines, or were cut off by the
// server's shutdown) is given up before its next layer, and its thread is free for others.
// Thread-safe.
class RebalanceHandler {
 public:
  // The authorizer must outlive the handler.
  RebalanceHandler(const EplbServiceParts& parts, const Authorizer& authorizer);

  // Answers `call` of that peer, now or later. RESOURCE_EXHAUSTED where too many requests, or bytes of them, wait
  // already.
  void Start(const std::shared_ptr<UnaryCall>& call, const PeerIdentities& peer, const grpc::ByteBuffer& request);

 private:
  // Whether to give a plan up; called by any planning thread.
  using StopPlan = std::function<bool()>;

  bool TryEnqueue(const std::shared_ptr<SharedAnswer>& shared, const grpc::ByteBuffer& request);
  void Run(const std::shared_ptr<SharedAnswer>& shared, const grpc::ByteBuffer& request, absl::Duration enqueued);
  // CANCELLED only where `stop` said so.
  absl::StatusOr<grpc::ByteBuffer> Plan(const grpc::ByteBuffer& request, absl::Duration queue_duration,
                                        const StopPlan& stop) const;
  absl::Status PlanFromSamples(const v1::RebalanceRequest& request, absl::Duration queue_duration, const StopPlan& stop,
                               v1::RebalanceResponse& response) const;
  absl::Status PlanLive(const v1::RebalanceRequest& request, const StopPlan& stop,
                        v1::RebalanceResponse& response) const;
  void Refuse(const std::shared_ptr<SharedAnswer>& shared);

  const EplbServiceParts parts_;
  const Authorizer& authorizer_;
  RequestCache cache_;
  std::atomic<std::size_t> queued_bytes_{0};
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_REBALANCE_HANDLER_H_
