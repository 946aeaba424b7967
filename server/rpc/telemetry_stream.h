#ifndef EPLB_SERVER_RPC_TELEMETRY_STREAM_H_
#define EPLB_SERVER_RPC_TELEMETRY_STREAM_H_

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "eplb/v1/telemetry.pb.h"
#include "server/planner/hub.h"
#include "server/rpc/authorizer.h"
#include "server/rpc/live_context.h"
#include "server/rpc/live_convert/telemetry_message.h"
#include "server/rpc/stream_call.h"

namespace eplb {

// StreamTelemetry: reports are parsed into the thread's arena and folded right where they arrive; the worker is told
// what changed, and now and then what is acknowledged. A message that breaks a rule ends the stream with its status.
//
// A stream that says no hello in time is ended, so that nobody holds streams for nothing.
//
// A stream that the worker ends (half-closes) is a goodbye; one that breaks off is not.
class TelemetryStream final : public StreamCall<grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>>,
                              public TelemetryListener,
                              public std::enable_shared_from_this<TelemetryStream> {
 public:
  using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

  // Reports between two acknowledgements of their own; each other message acknowledges too.
  static constexpr int kReportsPerAcknowledgement = 8;

  // The context must outlive all calls.
  static Reactor* Start(grpc::CallbackServerContext* context, LiveContext& live);

  void OnDirectives() override { Pump(); }
  void OnEnded(const absl::Status& status) override { End(status); }

 private:
  TelemetryStream(grpc::CallbackServerContext* context, LiveContext& live);

  void OnReadDone(bool ok) override;
  std::optional<grpc::ByteBuffer> NextMessage() override;
  void OnOver(bool cancelled) override;

  void AwaitHello();
  absl::Status Take(const grpc::ByteBuffer& bytes);
  absl::Status TakeHello(const v1::TelemetryHello& message);
  absl::Status TakeReport(const v1::LoadReport& message);

  LiveContext& live_;
  const PeerIdentities peer_;
  grpc::Alarm hello_alarm_;  // until the first hello
  grpc::ByteBuffer read_;
  bool half_closed_ = false;
  int unacknowledged_ = 0;  // reports since an acknowledgement was asked for
  std::atomic<bool> acknowledgement_due_{false};
  std::unique_ptr<TelemetrySession> owned_session_;
  std::atomic<TelemetrySession*> session_{nullptr};  // set once, by the first hello
  DirectivesWriter directives_;                      // used by NextMessage alone
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_TELEMETRY_STREAM_H_
