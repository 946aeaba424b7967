#include "server/rpc/observer.h"

#include <array>

namespace eplb {
namespace {

constexpr std::array<std::string_view, kNumRpcMethods> kMethodNames = {
    "eplb.v1.EplbService/Rebalance",
    "eplb.v1.EplbService/StreamTelemetry",
    "eplb.v1.EplbService/WatchPlacements",
    "eplb.v1.EplbService/ReportPlacementStatus",
    "eplb.v1.EplbService/GetPlacement",
    "eplb.v1.EplbService/ListDeployments",
    "eplb.v1.EplbService/UpdateDeployment",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection",
    "grpc.channelz",
    "other",
};

constexpr std::array<std::string_view, kNumRpcCodes> kCodeNames = {
    "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
};

}  // namespace

std::string_view RpcMethodName(RpcMethod method) { return kMethodNames[static_cast<std::size_t>(method)]; }

RpcMethod RpcMethodFromPath(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  for (int i = 0; i <= static_cast<int>(RpcMethod::kHealthWatch); ++i) {
    if (path == kMethodNames[static_cast<std::size_t>(i)]) return static_cast<RpcMethod>(i);
  }
  if (path.starts_with("grpc.reflection.")) return RpcMethod::kReflection;
  if (path.starts_with("grpc.channelz.")) return RpcMethod::kChannelz;
  return RpcMethod::kOther;
}

std::string_view RpcCodeName(int code) {
  return kCodeNames[code >= 0 && code < kNumRpcCodes ? static_cast<std::size_t>(code) : 2];
}

}  // namespace eplb
