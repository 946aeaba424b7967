#include "server/rpc/guard_interceptor.h"

#include <grpc/grpc.h>
#include <grpcpp/server_context.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/rpc/authorizer.h"

namespace eplb {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

constexpr std::string_view kGuardedPrefixes[] = {"/grpc.reflection.", "/grpc.channelz."};

bool IsGuarded(std::string_view method) {
  for (const std::string_view prefix : kGuardedPrefixes) {
    if (method.starts_with(prefix)) return true;
  }
  return false;
}

// Ends the call before its handler runs: what the handler then sends goes nowhere, since the status is out already.
class Guard final : public grpc::experimental::Interceptor {
 public:
  Guard(const Authorizer& authorizer, ServerRpcInfo& info) : authorizer_(authorizer), info_(info) {}

  void Intercept(InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) Check();
    if (refused_ && batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      batch->ModifySendStatus({grpc::StatusCode::PERMISSION_DENIED, reason_});
    }
    batch->Proceed();
  }

 private:
  void Check() {
    grpc::ServerContextBase& context = *info_.server_context();
    const absl::Status allowed =
        authorizer_.Check(IdentitiesOf(context.auth_context().get()), Role::kViewer, /*deployment=*/"");
    if (allowed.ok()) return;
    refused_ = true;
    reason_ = std::string(allowed.message());
    grpc_call_cancel_with_status(context.c_call(), GRPC_STATUS_PERMISSION_DENIED, reason_.c_str(), nullptr);
  }

  const Authorizer& authorizer_;
  ServerRpcInfo& info_;
  bool refused_ = false;
  std::string reason_;
};

class GuardFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit GuardFactory(const AuthorizationOptions& authorization) : authorizer_(authorization) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    if (!authorizer_.enabled() || !IsGuarded(info->method())) return nullptr;
    return new Guard(authorizer_, *info);  // gRPC deletes it
  }

 private:
  const Authorizer authorizer_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> GuardIntrospection(
    const AuthorizationOptions& authorization) {
  return std::make_unique<GuardFactory>(authorization);
}

}  // namespace eplb
