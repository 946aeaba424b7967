#ifndef EPLB_SERVER_RPC_STREAM_CALL_H_
#define EPLB_SERVER_RPC_STREAM_CALL_H_

#include <grpc/grpc.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/rpc/status_details.h"
#include "server/rpc/stream_registry.h"
#include "server/rpc/unary_call.h"

namespace eplb {

// The writing half and the end of a stream, whatever its reading half is. One write is in flight at a time, and nothing
// is queued: what to write next is asked for when the former message is out, so that a peer that stops reading costs
// one message. The stream finishes once, after its last write, and from OnCancel too.
//
// Base is grpc::ServerBidiReactor or grpc::ServerWriteReactor of byte buffers. Owned by gRPC until it is done, and by
// all who were handed a shared pointer. Thread-safe.
template <typename Base>
class StreamCall : public Base, public OpenStream {
 public:
  void End(const absl::Status& status) final EPLB_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (end_) return;
      end_ = status;
      if (busy_) return;
    }
    FinishNow();
  }

  void BreakOff() final EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);  // keeps the context alive
    if (context_ == nullptr) return;
    // Not TryCancel, whose CANCELLED says to the peer that it gave up itself.
    grpc_call_cancel_with_status(context_->c_call(), GRPC_STATUS_UNAVAILABLE, "the server is stopping", nullptr);
  }

 protected:
  StreamCall(grpc::CallbackServerContext* context, StreamRegistry& registry)
      : registry_(registry), deadline_(DeadlineOf(*context)), context_(context) {}

  // To be called once, by whoever made the stream; gRPC owns it from then on.
  void Begin(const std::shared_ptr<StreamCall>& self) {
    self_ = self;
    registry_.Add(self);
  }

  // Writes what NextMessage has, now or when the write in flight is done.
  void Pump() EPLB_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (end_) return;
      wanted_ = true;
      if (std::exchange(busy_, true)) return;
    }
    WriteNext();
  }

  bool ended() const EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return end_.has_value();
  }

  // The next message, or none; never called twice at once, nor before the message before is written.
  virtual std::optional<grpc::ByteBuffer> NextMessage() = 0;
  // The stream is over and nothing of it runs any more. cancelled: the peer went without waiting for the end.
  virtual void OnOver(bool cancelled) = 0;

 private:
  // Goes on until there is nothing to write or a write is in flight. The caller has set busy_.
  void WriteNext() EPLB_EXCLUDES(mutex_) {
    bool again = true;
    while (again) {
      {
        MutexLock lock(mutex_);
        wanted_ = false;
      }
      std::optional<grpc::ByteBuffer> message = NextMessage();
      if (message) {
        write_ = *std::move(message);
        this->StartWrite(&write_);
        return;
      }
      MutexLock lock(mutex_);
      again = wanted_ && !end_;
      busy_ = again;
    }
    FinishIfEnded();
  }

  void OnWriteDone(bool ok) final {
    write_.Clear();
    if (!ok) End(absl::CancelledError("the peer is gone"));
    bool go_on = false;
    {
      MutexLock lock(mutex_);
      go_on = !end_;
      busy_ = go_on;
    }
    if (go_on) {
      WriteNext();
    } else {
      FinishIfEnded();
    }
  }

  void OnCancel() final {
    {
      MutexLock lock(mutex_);
      cancelled_ = true;
    }
    End(GivenUpStatus(deadline_));
  }

  void OnDone() final {
    bool cancelled = false;
    {
      MutexLock lock(mutex_);
      context_ = nullptr;
      cancelled = cancelled_;
    }
    registry_.Remove(this);
    OnOver(cancelled);
    const std::shared_ptr<StreamCall> last = std::move(self_);  // may end this object, after the move
  }

  void FinishIfEnded() EPLB_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (!end_ || busy_) return;
    }
    FinishNow();
  }

  // Once: whoever ends an idle stream and whoever finds it ended when it becomes idle may both come here.
  void FinishNow() EPLB_EXCLUDES(mutex_) {
    absl::Status status;
    {
      MutexLock lock(mutex_);
      if (std::exchange(finished_, true)) return;
      status = *end_;
    }
    this->Finish(ToGrpcStatus(status));
  }

  StreamRegistry& registry_;
  const absl::Time deadline_;
  mutable Mutex mutex_;
  grpc::CallbackServerContext* context_ EPLB_GUARDED_BY(mutex_);  // null once done
  bool busy_ EPLB_GUARDED_BY(mutex_) = false;                     // somebody is in WriteNext, or a write is in flight
  bool wanted_ EPLB_GUARDED_BY(mutex_) = false;                   // Pump was called since NextMessage was last asked
  bool finished_ EPLB_GUARDED_BY(mutex_) = false;
  bool cancelled_ EPLB_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ EPLB_GUARDED_BY(mutex_);
  grpc::ByteBuffer write_;            // in flight
  std::shared_ptr<StreamCall> self_;  // released by OnDone
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_STREAM_CALL_H_
