#ifndef EPLB_SERVER_METRICS_FAMILIES_H_
#define EPLB_SERVER_METRICS_FAMILIES_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "server/metrics/names.h"

namespace eplb {

// Families of the names in names.h. The registry owns them.
prometheus::Family<prometheus::Counter>& AddCounters(prometheus::Registry& registry, const Metric& metric);
prometheus::Family<prometheus::Gauge>& AddGauges(prometheus::Registry& registry, const Metric& metric);
prometheus::Family<prometheus::Histogram>& AddHistograms(prometheus::Registry& registry, const Metric& metric);

// Bucket bounds.
const prometheus::Histogram::BucketBoundaries& LatencyBuckets();       // seconds: 100 us to 60 s
const prometheus::Histogram::BucketBoundaries& BalancednessBuckets();  // 0.1 to 1, dense near 1
const prometheus::Histogram::BucketBoundaries& StepTimeBuckets();      // 1 to 10, dense near 1
const prometheus::Histogram::BucketBoundaries& GapBuckets();           // 0 to 1, dense near 0

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_FAMILIES_H_
