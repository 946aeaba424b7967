#ifndef EPLB_SERVER_APP_RPC_LOG_H_
#define EPLB_SERVER_APP_RPC_LOG_H_

#include "server/log/logger.h"
#include "server/rpc/observer.h"

namespace eplb {

// Logs calls that ended by a fault of the service (UNKNOWN, INTERNAL, DATA_LOSS) as call_failed, with method, code and
// error, and hands all of it on to another observer. What callers do wrong is only counted. Thread-safe.
class RpcLog final : public RpcObserver {
 public:
  // Both must outlive it.
  RpcLog(Logger& logger, RpcObserver& next) : logger_(logger), next_(next) {}

  void OnCallStarted(RpcMethod method) override { next_.OnCallStarted(method); }
  void OnMessageReceived(RpcMethod method, std::size_t bytes) override { next_.OnMessageReceived(method, bytes); }
  void OnMessageSent(RpcMethod method, std::size_t bytes) override { next_.OnMessageSent(method, bytes); }
  void OnCallFailed(RpcMethod method, int code, std::string_view message) override;
  void OnCallFinished(RpcMethod method, int code, absl::Duration latency) override {
    next_.OnCallFinished(method, code, latency);
  }

 private:
  Logger& logger_;
  RpcObserver& next_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_APP_RPC_LOG_H_
