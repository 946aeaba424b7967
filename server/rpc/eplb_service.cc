#include "server/rpc/eplb_service.h"

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/live_handlers.h"
#include "server/rpc/status_details.h"
#include "server/rpc/telemetry_stream.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/watch_stream.h"

namespace eplb {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;

// gRPC would refuse to send an answer that is too large, without details.
absl::StatusOr<ByteBuffer> IfItFits(absl::StatusOr<ByteBuffer> answer, std::int64_t max_bytes) {
  if (!answer.ok() || max_bytes <= 0 || static_cast<std::int64_t>(answer->Length()) <= max_bytes) return answer;
  const absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("the answer has ", answer->Length(), " bytes, must be at most ", max_bytes));
  return WithRetryDelay(WithReason(status, kAnswerTooLarge), absl::InfiniteDuration());
}

// Answers a call by a handler that returns at once.
template <typename Handler>
grpc::ServerUnaryReactor* AnswerNow(CallbackServerContext* context, const ByteBuffer& request, ByteBuffer* response,
                                    LiveContext& live, Handler handler) {
  const std::shared_ptr<UnaryCall> call = UnaryCall::Start(context, response);
  call->Finish(
      IfItFits(handler(live, IdentitiesOf(context->auth_context().get()), request), live.limits.max_answer_bytes));
  return call.get();
}

}  // namespace

EplbService::EplbService(const EplbServiceParts& parts, const AuthorizationOptions& authorization)
    : parts_(parts),
      authorizer_(authorization),
      live_{.hub = parts.hub,
            .authorizer = authorizer_,
            .limits = parts_.limits,
            .hello_deadline = parts_.hello_deadline},
      rebalance_(parts_, authorizer_) {}

void EplbService::StartDraining() {
  if (parts_.hub != nullptr) parts_.hub->Drain(parts_.reconnect_delay);
}

void EplbService::EndStreams(absl::Duration grace) {
  live_.streams.EndAll(absl::UnavailableError("the server is stopping; connect again, to any replica"), grace);
}

grpc::ServerUnaryReactor* EplbService::Rebalance(CallbackServerContext* context, const ByteBuffer* request,
                                                 ByteBuffer* response) {
  const std::shared_ptr<UnaryCall> call = UnaryCall::Start(context, response);
  rebalance_.Start(call, IdentitiesOf(context->auth_context().get()), *request);
  return call.get();
}

grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* EplbService::StreamTelemetry(CallbackServerContext* context) {
  return TelemetryStream::Start(context, live_);
}

grpc::ServerWriteReactor<ByteBuffer>* EplbService::WatchPlacements(CallbackServerContext* context,
                                                                   const ByteBuffer* request) {
  return WatchStream::Start(context, *request, live_);
}

grpc::ServerUnaryReactor* EplbService::ReportPlacementStatus(CallbackServerContext* context, const ByteBuffer* request,
                                                             ByteBuffer* response) {
  return AnswerNow(context, *request, response, live_, eplb::ReportPlacementStatus);
}

grpc::ServerUnaryReactor* EplbService::GetPlacement(CallbackServerContext* context, const ByteBuffer* request,
                                                    ByteBuffer* response) {
  return AnswerNow(context, *request, response, live_, eplb::GetPlacement);
}

grpc::ServerUnaryReactor* EplbService::ListDeployments(CallbackServerContext* context, const ByteBuffer* request,
                                                       ByteBuffer* response) {
  return AnswerNow(context, *request, response, live_, eplb::ListDeployments);
}

grpc::ServerUnaryReactor* EplbService::UpdateDeployment(CallbackServerContext* context, const ByteBuffer* request,
                                                        ByteBuffer* response) {
  return AnswerNow(context, *request, response, live_, eplb::UpdateDeployment);
}

}  // namespace eplb
