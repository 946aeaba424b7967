#ifndef EPLB_SERVER_METRICS_PROCESS_METRICS_H_
#define EPLB_SERVER_METRICS_PROCESS_METRICS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

namespace eplb {

// process_*: what the kernel says of this process, read from /proc/self at each scrape. What cannot be read is left
// out. Thread-safe.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_PROCESS_METRICS_H_
