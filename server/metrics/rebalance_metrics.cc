#include "server/metrics/rebalance_metrics.h"

#include <string>

namespace eplb {
namespace {

prometheus::Histogram& AddStage(prometheus::Registry& registry, const Metric& metric, const char* stage,
                                const prometheus::Histogram::BucketBoundaries& buckets) {
  return AddHistograms(registry, metric).Add({{labels::kStage, stage}}, buckets);
}

}  // namespace

RebalanceMetrics::RebalanceMetrics(prometheus::Registry& registry)
    : duration_(AddHistograms(registry, metrics::kRebalanceDuration)),
      wait_(AddHistograms(registry, metrics::kRebalanceWait).Add({}, LatencyBuckets())),
      balancedness_before_(AddStage(registry, metrics::kRebalanceBalancedness, labels::kBefore, BalancednessBuckets())),
      balancedness_after_(AddStage(registry, metrics::kRebalanceBalancedness, labels::kAfter, BalancednessBuckets())),
      step_time_before_(AddStage(registry, metrics::kRebalanceStepTime, labels::kBefore, StepTimeBuckets())),
      step_time_after_(AddStage(registry, metrics::kRebalanceStepTime, labels::kAfter, StepTimeBuckets())),
      gap_(AddHistograms(registry, metrics::kRebalanceGap).Add({}, GapBuckets())),
      intra_node_moves_(AddCounters(registry, metrics::kRebalanceMoves).Add({{labels::kReach, labels::kIntraNode}})),
      inter_node_moves_(AddCounters(registry, metrics::kRebalanceMoves).Add({{labels::kReach, labels::kInterNode}})),
      twins_(AddCounters(registry, metrics::kRebalanceTwins).Add({})),
      shed_(AddCounters(registry, metrics::kRebalanceShed).Add({})),
      deduplicated_(AddCounters(registry, metrics::kRebalanceDeduplicated).Add({})) {}

void RebalanceMetrics::OnPlanned(const RebalanceOutcome& outcome) {
  duration_.Add({{labels::kPolicy, std::string(outcome.policy)}}, LatencyBuckets())
      .Observe(absl::ToDoubleSeconds(outcome.compute_duration));
  wait_.Observe(absl::ToDoubleSeconds(outcome.queue_duration));
  balancedness_before_.Observe(outcome.balancedness_before);
  balancedness_after_.Observe(outcome.balancedness_after);
  step_time_before_.Observe(outcome.step_time_before);
  step_time_after_.Observe(outcome.step_time_after);
  gap_.Observe(outcome.lower_bound_gap);
  intra_node_moves_.Increment(outcome.intra_node_fetches);
  inter_node_moves_.Increment(outcome.inter_node_fetches);
  twins_.Increment(outcome.twins);
}

void RebalanceMetrics::OnShed() { shed_.Increment(); }

void RebalanceMetrics::OnDeduplicated() { deduplicated_.Increment(); }

}  // namespace eplb
