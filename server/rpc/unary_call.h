#ifndef EPLB_SERVER_RPC_UNARY_CALL_H_
#define EPLB_SERVER_RPC_UNARY_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rpc/pending_call.h"

namespace eplb {

// One unary call, answered once, by whoever comes first: the service, on any thread and at any time, or the call's own
// end. Owned by gRPC until it is done, and by all who may still answer. Thread-safe.
class UnaryCall final : public grpc::ServerUnaryReactor, public PendingCall {
 public:
  // `response` belongs to gRPC and is written before the answer only.
  static std::shared_ptr<UnaryCall> Start(grpc::CallbackServerContext* context, grpc::ByteBuffer* response);

  void Finish(const absl::StatusOr<grpc::ByteBuffer>& answer) override;
  bool finished() const override;
  absl::Time deadline() const override { return deadline_; }

 private:
  UnaryCall(grpc::CallbackServerContext* context, grpc::ByteBuffer* response);

  void OnCancel() override;
  void OnDone() override;

  grpc::ByteBuffer* const response_;
  const absl::Time deadline_;
  std::atomic<bool> finished_{false};
  std::shared_ptr<UnaryCall> self_;  // released by OnDone
};

// CANCELLED, or DEADLINE_EXCEEDED where the deadline has passed: what a call ends with that its caller gave up.
absl::Status GivenUpStatus(absl::Time deadline);

// Deadline of a call; InfiniteFuture where the caller set none.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_UNARY_CALL_H_
