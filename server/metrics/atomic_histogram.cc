#include "server/metrics/atomic_histogram.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eplb {

AtomicHistogram::AtomicHistogram(const Metric& metric, std::vector<double> bounds)
    : metric_(metric), bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void AtomicHistogram::Observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<prometheus::MetricFamily> AtomicHistogram::Collect() const {
  prometheus::ClientMetric sample;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    cumulative += counts_[i].load(std::memory_order_relaxed);
    const double bound = i < bounds_.size() ? bounds_[i] : std::numeric_limits<double>::infinity();
    sample.histogram.bucket.push_back({.cumulative_count = cumulative, .upper_bound = bound});
  }
  sample.histogram.sample_count = cumulative;
  sample.histogram.sample_sum = sum_.load(std::memory_order_relaxed);
  return {{.name = metric_.name,
           .help = metric_.help,
           .type = prometheus::MetricType::Histogram,
           .metric = {std::move(sample)}}};
}

}  // namespace eplb
