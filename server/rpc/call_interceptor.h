#ifndef EPLB_SERVER_RPC_CALL_INTERCEPTOR_H_
#define EPLB_SERVER_RPC_CALL_INTERCEPTOR_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "server/base/clock.h"
#include "server/rpc/observer.h"

namespace eplb {

// Tells `observer` of every call of a server. Both arguments must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> ObserveCalls(RpcObserver& observer,
                                                                                    const Clock& clock);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CALL_INTERCEPTOR_H_
