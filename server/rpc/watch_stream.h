#ifndef EPLB_SERVER_RPC_WATCH_STREAM_H_
#define EPLB_SERVER_RPC_WATCH_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "server/planner/hub.h"
#include "server/rpc/live_context.h"
#include "server/rpc/stream_call.h"

namespace eplb {

// WatchPlacements: asks the hub for the next event when the former is written.
class WatchStream final : public StreamCall<grpc::ServerWriteReactor<grpc::ByteBuffer>>,
                          public WatchListener,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  using Reactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;

  // The context must outlive all calls.
  static Reactor* Start(grpc::CallbackServerContext* context, const grpc::ByteBuffer& request, LiveContext& live);

  void OnEvent() override { Pump(); }
  void OnEnded(const absl::Status& status) override { End(status); }

 private:
  WatchStream(grpc::CallbackServerContext* context, LiveContext& live)
      : StreamCall(context, live.streams), live_(live) {}

  absl::Status Open(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request);
  std::optional<grpc::ByteBuffer> NextMessage() override;
  void OnOver(bool cancelled) override;

  LiveContext& live_;
  std::unique_ptr<PlacementWatch> owned_watch_;
  std::atomic<PlacementWatch*> watch_{nullptr};  // set once
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_WATCH_STREAM_H_
