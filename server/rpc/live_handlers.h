#ifndef EPLB_SERVER_RPC_LIVE_HANDLERS_H_
#define EPLB_SERVER_RPC_LIVE_HANDLERS_H_

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/statusor.h"
#include "server/rpc/authorizer.h"
#include "server/rpc/live_context.h"

namespace eplb {

// The unary calls about live deployments: each parses, checks the caller's role, makes one call of the hub and states
// what came of it. They return at once, so gRPC's threads run them. Thread-safe.
absl::StatusOr<grpc::ByteBuffer> ReportPlacementStatus(LiveContext& live, const PeerIdentities& peer,
                                                       const grpc::ByteBuffer& request);
absl::StatusOr<grpc::ByteBuffer> GetPlacement(LiveContext& live, const PeerIdentities& peer,
                                              const grpc::ByteBuffer& request);
absl::StatusOr<grpc::ByteBuffer> ListDeployments(LiveContext& live, const PeerIdentities& peer,
                                                 const grpc::ByteBuffer& request);
absl::StatusOr<grpc::ByteBuffer> UpdateDeployment(LiveContext& live, const PeerIdentities& peer,
                                                  const grpc::ByteBuffer& request);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_HANDLERS_H_
