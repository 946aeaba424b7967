#ifndef EPLB_SERVER_METRICS_ATOMIC_HISTOGRAM_H_
#define EPLB_SERVER_METRICS_ATOMIC_HISTOGRAM_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "server/metrics/names.h"

namespace eplb {

// A histogram without labels for hot paths: prometheus-cpp's takes a lock for each value, this one adds to two atomics.
// A scrape may see a value in one and not yet in the other. Thread-safe.
class AtomicHistogram final : public prometheus::Collectable {
 public:
  // `bounds` rise strictly: values up to and including a bound are in its bucket.
  AtomicHistogram(const Metric& metric, std::vector<double> bounds);

  void Observe(double value);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Metric metric_;
  const std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;  // [bounds + 1], the last above all bounds
  std::atomic<double> sum_{0};
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_ATOMIC_HISTOGRAM_H_
