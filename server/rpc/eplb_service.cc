#include "server/rpc/eplb_service.h"

#include <memory>

#include "absl/status/status.h"
#include "server/rpc/status_details.h"
#include "server/rpc/unary_call.h"

namespace eplb {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;

absl::Status NoLiveDeployments() {
  return absl::UnimplementedError("this server has no live deployments: only Rebalance with samples is served");
}

// Answers a call of any kind that is not served.
template <typename Reactor>
class RefusedStream final : public Reactor {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

grpc::ServerUnaryReactor* RefuseUnary(CallbackServerContext* context, ByteBuffer* response) {
  const std::shared_ptr<UnaryCall> call = UnaryCall::Start(context, response);
  call->Finish(NoLiveDeployments());
  return call.get();
}

}  // namespace

grpc::ServerUnaryReactor* EplbService::Rebalance(CallbackServerContext* context, const ByteBuffer* request,
                                                 ByteBuffer* response) {
  const std::shared_ptr<UnaryCall> call = UnaryCall::Start(context, response);
  rebalance_.Start(call, *request);
  return call.get();
}

grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* EplbService::StreamTelemetry(CallbackServerContext*) {
  return new RefusedStream<grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>>(NoLiveDeployments());
}

grpc::ServerWriteReactor<ByteBuffer>* EplbService::WatchPlacements(CallbackServerContext*, const ByteBuffer*) {
  return new RefusedStream<grpc::ServerWriteReactor<ByteBuffer>>(NoLiveDeployments());
}

grpc::ServerUnaryReactor* EplbService::ReportPlacementStatus(CallbackServerContext* context, const ByteBuffer*,
                                                             ByteBuffer* response) {
  return RefuseUnary(context, response);
}

grpc::ServerUnaryReactor* EplbService::GetPlacement(CallbackServerContext* context, const ByteBuffer*,
                                                    ByteBuffer* response) {
  return RefuseUnary(context, response);
}

grpc::ServerUnaryReactor* EplbService::ListDeployments(CallbackServerContext* context, const ByteBuffer*,
                                                       ByteBuffer* response) {
  return RefuseUnary(context, response);
}

grpc::ServerUnaryReactor* EplbService::UpdateDeployment(CallbackServerContext* context, const ByteBuffer*,
                                                        ByteBuffer* response) {
  return RefuseUnary(context, response);
}

}  // namespace eplb
