#include "server/metrics/families.h"

namespace eplb {

using prometheus::Histogram;

prometheus::Family<prometheus::Counter>& AddCounters(prometheus::Registry& registry, const Metric& metric) {
  return prometheus::BuildCounter().Name(metric.name).Help(metric.help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& AddGauges(prometheus::Registry& registry, const Metric& metric) {
  return prometheus::BuildGauge().Name(metric.name).Help(metric.help).Register(registry);
}

prometheus::Family<Histogram>& AddHistograms(prometheus::Registry& registry, const Metric& metric) {
  return prometheus::BuildHistogram().Name(metric.name).Help(metric.help).Register(registry);
}

const Histogram::BucketBoundaries& LatencyBuckets() {
  static const auto* const kBuckets = new Histogram::BucketBoundaries{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return *kBuckets;
}

const Histogram::BucketBoundaries& BalancednessBuckets() {
  static const auto* const kBuckets =
      new Histogram::BucketBoundaries{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 1};
  return *kBuckets;
}

const Histogram::BucketBoundaries& StepTimeBuckets() {
  static const auto* const kBuckets =
      new Histogram::BucketBoundaries{1, 1.005, 1.01, 1.02, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 6, 10};
  return *kBuckets;
}

const Histogram::BucketBoundaries& GapBuckets() {
  static const auto* const kBuckets =
      new Histogram::BucketBoundaries{0, 0.0001, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};
  return *kBuckets;
}

}  // namespace eplb
