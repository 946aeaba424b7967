#ifndef EPLB_SERVER_RPC_OBSERVER_H_
#define EPLB_SERVER_RPC_OBSERVER_H_

#include <cstddef>
#include <string_view>

#include "absl/time/time.h"

namespace eplb {

// The methods that calls are counted by. What is not served here is kOther, so that callers cannot make labels.
enum class RpcMethod {
  kRebalance,
  kStreamTelemetry,
  kWatchPlacements,
  kReportPlacementStatus,
  kGetPlacement,
  kListDeployments,
  kUpdateDeployment,
  kHealthCheck,
  kHealthWatch,
  kReflection,
  kChannelz,
  kOther,
};
inline constexpr int kNumRpcMethods = static_cast<int>(RpcMethod::kOther) + 1;

// "eplb.v1.EplbService/Rebalance", ..., "other".
std::string_view RpcMethodName(RpcMethod method);
// Of a path such as "/eplb.v1.EplbService/Rebalance".
RpcMethod RpcMethodFromPath(std::string_view path);

// Canonical status codes, 0 (OK) to 16 (UNAUTHENTICATED).
inline constexpr int kNumRpcCodes = 17;
// "OK", "CANCELLED", ...; "UNKNOWN" for numbers that are no code.
std::string_view RpcCodeName(int code);

// Learns of every call on every port of the server: also health checks, and methods that do not exist.
// Called on gRPC's threads, from many at once: implementations are thread-safe and do not block.
class RpcObserver {
 public:
  virtual ~RpcObserver() = default;

  virtual void OnCallStarted(RpcMethod method) = 0;
  // One message of a call; bytes as serialized, without compression and framing.
  virtual void OnMessageReceived(RpcMethod method, std::size_t bytes) = 0;
  virtual void OnMessageSent(RpcMethod method, std::size_t bytes) = 0;
  // Before OnCallFinished, where the service ended the call with another code than OK; message as the caller gets it.
  // Default: does nothing.
  virtual void OnCallFailed(RpcMethod /*method*/, int /*code*/, std::string_view /*message*/) {}
  // Once for each OnCallStarted. code is in [0, kNumRpcCodes); latency counts from OnCallStarted. A call that ended
  // without a status from the service (its connection broke) is CANCELLED.
  virtual void OnCallFinished(RpcMethod method, int code, absl::Duration latency) = 0;
};

// What one Rebalance did.
struct RebalanceOutcome {
  std::string_view policy;  // PolicyName of the one used; lives for ever
  absl::Duration compute_duration;
  absl::Duration queue_duration;  // wait for a planning thread
  double balancedness_before = 1;
  double balancedness_after = 1;
  double step_time_before = 1;
  double step_time_after = 1;
  double lower_bound_gap = 0;  // of the step time, relative to its proven lower bound; 0: it is met
  int intra_node_fetches = 0;  // experts that a GPU copies from its own node
  int inter_node_fetches = 0;
  int twins = 0;  // in the planned placement
};

// Learns of Rebalance calls. Called on planning threads and gRPC's: implementations are thread-safe and do not block.
class RebalanceObserver {
 public:
  virtual ~RebalanceObserver() = default;

  virtual void OnPlanned(const RebalanceOutcome& outcome) = 0;
  // A call was refused because the queue was full.
  virtual void OnShed() = 0;
  // A call was answered with the first answer to its request id.
  virtual void OnDeduplicated() = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_OBSERVER_H_
