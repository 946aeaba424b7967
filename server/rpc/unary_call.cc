#include "server/rpc/unary_call.h"

#include <chrono>

#include "absl/time/clock.h"
#include "server/rpc/status_details.h"

namespace eplb {

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

absl::Status GivenUpStatus(absl::Time deadline) {
  if (deadline <= absl::Now()) return absl::DeadlineExceededError("the call's deadline has passed");
  return absl::CancelledError("the call was cancelled");
}

std::shared_ptr<UnaryCall> UnaryCall::Start(grpc::CallbackServerContext* context, grpc::ByteBuffer* response) {
  std::shared_ptr<UnaryCall> call(new UnaryCall(context, response));
  call->self_ = call;
  return call;
}

UnaryCall::UnaryCall(grpc::CallbackServerContext* context, grpc::ByteBuffer* response)
    : response_(response), deadline_(DeadlineOf(*context)) {}

bool UnaryCall::finished() const { return finished_.load(std::memory_order_acquire) || deadline_ <= absl::Now(); }

void UnaryCall::Finish(const absl::StatusOr<grpc::ByteBuffer>& answer) {
  if (finished_.exchange(true, std::memory_order_acq_rel)) return;
  if (answer.ok()) *response_ = *answer;
  ServerUnaryReactor::Finish(ToGrpcStatus(answer.status()));
}

void UnaryCall::OnCancel() { Finish(GivenUpStatus(deadline_)); }

void UnaryCall::OnDone() {
  const std::shared_ptr<UnaryCall> last = std::move(self_);  // may end this object, after the move
}

}  // namespace eplb
