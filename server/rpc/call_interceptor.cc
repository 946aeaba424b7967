#include "server/rpc/call_interceptor.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "absl/time/time.h"

namespace eplb {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

// Of these methods the messages are known to be raw bytes.
bool IsOurs(RpcMethod method) { return method <= RpcMethod::kUpdateDeployment; }

int KnownCode(int code) { return code >= 0 && code < kNumRpcCodes ? code : grpc::StatusCode::UNKNOWN; }

// Follows one call.
class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  CallInterceptor(RpcMethod method, RpcObserver& observer, const Clock& clock)
      : method_(method), observer_(observer), clock_(clock), start_(clock.Monotonic()) {
    observer_.OnCallStarted(method_);
  }

  ~CallInterceptor() override { End(grpc::StatusCode::CANCELLED); }

  void Intercept(InterceptorBatchMethods* batch) override {
    if (IsOurs(method_)) ObserveMessages(*batch);
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = batch->GetSendStatus();
      if (!status.ok() && !ended_)
        observer_.OnCallFailed(method_, KnownCode(status.error_code()), status.error_message());
      End(status.error_code());
    }
    batch->Proceed();
  }

 private:
  void ObserveMessages(InterceptorBatchMethods& batch) {
    if (batch.QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      const auto* message = static_cast<const grpc::ByteBuffer*>(batch.GetRecvMessage());
      if (message != nullptr) observer_.OnMessageReceived(method_, message->Length());
    }
    if (batch.QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      const grpc::ByteBuffer* message = batch.GetSerializedSendMessage();
      if (message != nullptr) observer_.OnMessageSent(method_, message->Length());
    }
  }

  void End(int code) {
    if (ended_) return;
    ended_ = true;
    observer_.OnCallFinished(method_, KnownCode(code), clock_.Monotonic() - start_);
  }

  const RpcMethod method_;
  RpcObserver& observer_;
  const Clock& clock_;
  const absl::Duration start_;
  bool ended_ = false;
};

class CallInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  CallInterceptorFactory(RpcObserver& observer, const Clock& clock) : observer_(observer), clock_(clock) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    return new CallInterceptor(RpcMethodFromPath(info->method()), observer_, clock_);  // gRPC deletes it
  }

 private:
  RpcObserver& observer_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> ObserveCalls(RpcObserver& observer,
                                                                                    const Clock& clock) {
  return std::make_unique<CallInterceptorFactory>(observer, clock);
}

}  // namespace eplb
