#include "server/metrics/rpc_metrics.h"

#include <string>

#include "server/base/check.h"

namespace eplb {
namespace {

prometheus::Labels OutcomeLabels(RpcMethod method, int code) {
  return {{labels::kMethod, std::string(RpcMethodName(method))}, {labels::kCode, std::string(RpcCodeName(code))}};
}

}  // namespace

RpcMetrics::RpcMetrics(prometheus::Registry& registry)
    : calls_(AddCounters(registry, metrics::kRpcCalls)), latency_(AddHistograms(registry, metrics::kRpcLatency)) {
  auto& in_flight = AddGauges(registry, metrics::kRpcInFlight);
  auto& received_messages = AddCounters(registry, metrics::kRpcReceivedMessages);
  auto& received_bytes = AddCounters(registry, metrics::kRpcReceivedBytes);
  auto& sent_messages = AddCounters(registry, metrics::kRpcSentMessages);
  auto& sent_bytes = AddCounters(registry, metrics::kRpcSentBytes);
  for (std::size_t i = 0; i < methods_.size(); ++i) {
    const prometheus::Labels method = {{labels::kMethod, std::string(RpcMethodName(static_cast<RpcMethod>(i)))}};
    methods_[i] = {.in_flight = &in_flight.Add(method),
                   .received_messages = &received_messages.Add(method),
                   .received_bytes = &received_bytes.Add(method),
                   .sent_messages = &sent_messages.Add(method),
                   .sent_bytes = &sent_bytes.Add(method)};
  }
  for (int method = 0; method <= static_cast<int>(RpcMethod::kUpdateDeployment); ++method) {
    for (int code = 0; code < kNumRpcCodes; ++code) {
      outcomes_[static_cast<std::size_t>(method)][static_cast<std::size_t>(code)].calls.store(
          &calls_.Add(OutcomeLabels(static_cast<RpcMethod>(method), code)), std::memory_order_relaxed);
    }
  }
}

void RpcMetrics::OnCallStarted(RpcMethod method) { methods_[static_cast<std::size_t>(method)].in_flight->Increment(); }

void RpcMetrics::OnMessageReceived(RpcMethod method, std::size_t bytes) {
  const MethodSeries& series = methods_[static_cast<std::size_t>(method)];
  series.received_messages->Increment();
  series.received_bytes->Increment(static_cast<double>(bytes));
}

void RpcMetrics::OnMessageSent(RpcMethod method, std::size_t bytes) {
  const MethodSeries& series = methods_[static_cast<std::size_t>(method)];
  series.sent_messages->Increment();
  series.sent_bytes->Increment(static_cast<double>(bytes));
}

void RpcMetrics::OnCallFinished(RpcMethod method, int code, absl::Duration latency) {
  methods_[static_cast<std::size_t>(method)].in_flight->Decrement();
  const OutcomeSeries& outcome = OutcomeOf(method, code);
  outcome.calls.load(std::memory_order_acquire)->Increment();
  outcome.latency.load(std::memory_order_acquire)->Observe(absl::ToDoubleSeconds(latency));
}

// Two threads may both make a series that is not there yet: the family gives both the same one.
RpcMetrics::OutcomeSeries& RpcMetrics::OutcomeOf(RpcMethod method, int code) {
  EPLB_CHECK(code >= 0 && code < kNumRpcCodes);
  OutcomeSeries& outcome = outcomes_[static_cast<std::size_t>(method)][static_cast<std::size_t>(code)];
  if (outcome.latency.load(std::memory_order_acquire) == nullptr) {
    const prometheus::Labels both = OutcomeLabels(method, code);
    outcome.calls.store(&calls_.Add(both), std::memory_order_release);
    outcome.latency.store(&latency_.Add(both, LatencyBuckets()), std::memory_order_release);
  }
  return outcome;
}

}  // namespace eplb
