#ifndef EPLB_SERVER_RPC_GUARD_INTERCEPTOR_H_
#define EPLB_SERVER_RPC_GUARD_INTERCEPTOR_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "server/rpc/server_options.h"

namespace eplb {

// Keeps the services that gRPC brings along to those who may see everything: a call to reflection or channelz ends with
// PERMISSION_DENIED unless the peer has the role kViewer for calls that name no deployment. EplbService checks its own
// calls, and health answers everyone.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> GuardIntrospection(
    const AuthorizationOptions& authorization);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_GUARD_INTERCEPTOR_H_
