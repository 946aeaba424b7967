#ifndef EPLB_SERVER_METRICS_REBALANCE_METRICS_H_
#define EPLB_SERVER_METRICS_REBALANCE_METRICS_H_

#include <prometheus/registry.h>

#include "server/metrics/families.h"
#include "server/rpc/observer.h"

namespace eplb {

// Measures Rebalance calls that carry their loads. Thread-safe.
class RebalanceMetrics final : public RebalanceObserver {
 public:
  // The registry must outlive it.
  explicit RebalanceMetrics(prometheus::Registry& registry);

  void OnPlanned(const RebalanceOutcome& outcome) override;
  void OnShed() override;
  void OnDeduplicated() override;

 private:
  prometheus::Family<prometheus::Histogram>& duration_;
  prometheus::Histogram& wait_;
  prometheus::Histogram& balancedness_before_;
  prometheus::Histogram& balancedness_after_;
  prometheus::Histogram& step_time_before_;
  prometheus::Histogram& step_time_after_;
  prometheus::Histogram& gap_;
  prometheus::Counter& intra_node_moves_;
  prometheus::Counter& inter_node_moves_;
  prometheus::Counter& twins_;
  prometheus::Counter& shed_;
  prometheus::Counter& deduplicated_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_REBALANCE_METRICS_H_
