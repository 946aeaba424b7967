#ifndef EPLB_SERVER_METRICS_RPC_METRICS_H_
#define EPLB_SERVER_METRICS_RPC_METRICS_H_

#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <cstddef>

#include "server/metrics/families.h"
#include "server/rpc/observer.h"

namespace eplb {

// Counts calls. Methods and codes come from closed sets, so callers cannot make series. Thread-safe.
class RpcMetrics final : public RpcObserver {
 public:
  // The registry must outlive it.
  explicit RpcMetrics(prometheus::Registry& registry);

  void OnCallStarted(RpcMethod method) override;
  void OnMessageReceived(RpcMethod method, std::size_t bytes) override;
  void OnMessageSent(RpcMethod method, std::size_t bytes) override;
  void OnCallFinished(RpcMethod method, int code, absl::Duration latency) override;

 private:
  // What is counted of every method from the start, so that a rate over it begins at 0.
  struct MethodSeries {
    prometheus::Gauge* in_flight;
    prometheus::Counter* received_messages;
    prometheus::Counter* received_bytes;
    prometheus::Counter* sent_messages;
    prometheus::Counter* sent_bytes;
  };
  // What is counted of a method and a code. Calls of the service's own methods are there from the start, so that its
  // first fault is a step from 0 to 1 and not a new series; the rest is made when method and code first meet.
  struct OutcomeSeries {
    std::atomic<prometheus::Counter*> calls{nullptr};
    std::atomic<prometheus::Histogram*> latency{nullptr};
  };

  OutcomeSeries& OutcomeOf(RpcMethod method, int code);

  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& latency_;
  std::array<MethodSeries, kNumRpcMethods> methods_;
  std::array<std::array<OutcomeSeries, kNumRpcCodes>, kNumRpcMethods> outcomes_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_RPC_METRICS_H_
