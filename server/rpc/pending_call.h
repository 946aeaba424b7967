#ifndef EPLB_SERVER_RPC_PENDING_CALL_H_
#define EPLB_SERVER_RPC_PENDING_CALL_H_

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eplb {

// A unary call that waits for its answer. Thread-safe.
class PendingCall {
 public:
  virtual ~PendingCall() = default;

  // Answers with the serialized response, or with the error. Does nothing where the call has been answered or ended.
  virtual void Finish(const absl::StatusOr<grpc::ByteBuffer>& answer) = 0;

  // Nobody waits for an answer any more: it was given, or the call was cancelled, or its deadline has passed.
  virtual bool finished() const = 0;
  // InfiniteFuture where the caller set none.
  virtual absl::Time deadline() const = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_PENDING_CALL_H_
