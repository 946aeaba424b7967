#include "server/app/rpc_log.h"

#include "absl/status/status.h"

namespace eplb {
namespace {

bool IsFault(int code) {
  switch (static_cast<absl::StatusCode>(code)) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace

void RpcLog::OnCallFailed(RpcMethod method, int code, std::string_view message) {
  if (IsFault(code)) {
    logger_.Log(LogLevel::kError, "call_failed",
                {{"method", RpcMethodName(method)}, {"code", RpcCodeName(code)}, {"error", message}});
  }
  next_.OnCallFailed(method, code, message);
}

}  // namespace eplb
