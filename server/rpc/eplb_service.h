#ifndef EPLB_SERVER_RPC_EPLB_SERVICE_H_
#define EPLB_SERVER_RPC_EPLB_SERVICE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "eplb/v1/eplb_service.grpc.pb.h"
#include "server/rpc/authorizer.h"
#include "server/rpc/live_context.h"
#include "server/rpc/rebalance_handler.h"
#include "server/rpc/server_options.h"
#include "server/rpc/service_parts.h"

namespace eplb {

// All methods take and give raw bytes; see raw_message.h.
using RawEplbService = v1::EplbService::WithRawCallbackMethod_Rebalance<
    v1::EplbService::WithRawCallbackMethod_StreamTelemetry<v1::EplbService::WithRawCallbackMethod_WatchPlacements<
        v1::EplbService::WithRawCallbackMethod_ReportPlacementStatus<
            v1::EplbService::WithRawCallbackMethod_GetPlacement<v1::EplbService::WithRawCallbackMethod_ListDeployments<
                v1::EplbService::WithRawCallbackMethod_UpdateDeployment<v1::EplbService::Service>>>>>>>;

// eplb.v1.EplbService on gRPC's callback API: each method hands its call to the handler of that name. Thread-safe.
class EplbService final : public RawEplbService {
 public:
  EplbService(const EplbServiceParts& parts, const AuthorizationOptions& authorization);

  // Tells open streams to go elsewhere; they stay.
  void StartDraining();
  // Ends all streams, and those that come later; breaks off those whose peers do not read for the grace.
  void EndStreams(absl::Duration grace);

  grpc::ServerUnaryReactor* Rebalance(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StreamTelemetry(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchPlacements(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* ReportPlacementStatus(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetPlacement(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListDeployments(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* UpdateDeployment(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) override;

 private:
  const EplbServiceParts parts_;
  const Authorizer authorizer_;
  LiveContext live_;
  RebalanceHandler rebalance_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_EPLB_SERVICE_H_
