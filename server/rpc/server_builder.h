#ifndef EPLB_SERVER_RPC_SERVER_BUILDER_H_
#define EPLB_SERVER_RPC_SERVER_BUILDER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <memory>

#include "absl/status/statusor.h"
#include "server/rpc/observer.h"
#include "server/rpc/server_options.h"

namespace grpc {
class Service;
}

namespace eplb {

// A listening server, and the port that it is bound to.
struct BoundServer {
  std::unique_ptr<grpc::CallbackGenericService> no_methods = nullptr;  // outlives the server
  std::unique_ptr<grpc::Server> server = nullptr;
  int port = 0;
};

// Serves `service`, health, and by option reflection and channelz. UNAVAILABLE where the address cannot be bound. The
// observer may be null; it and the service must outlive the server.
absl::StatusOr<BoundServer> BuildMainServer(const ServerOptions& options,
                                            const std::shared_ptr<grpc::ServerCredentials>& credentials,
                                            grpc::Service& service, RpcObserver* observer);

// Serves health and nothing else, in plaintext, on options.health_listen_address.
absl::StatusOr<BoundServer> BuildHealthServer(const ServerOptions& options, RpcObserver* observer);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_SERVER_BUILDER_H_
