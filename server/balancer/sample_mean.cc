#include "server/balancer/sample_mean.h"

#include <utility>
#include <vector>

#include "server/base/check.h"

namespace eplb {

absl::StatusOr<LoadMatrix> SampleMean(std::span<const LoadSample> samples) {
  EPLB_CHECK(!samples.empty());
  if (samples.size() == 1) return samples[0].loads;
  double total_weight = 0;
  for (const LoadSample& sample : samples) total_weight += sample.weight;
  std::vector<double> mean(samples[0].loads.values().size(), 0.0);
  for (const LoadSample& sample : samples) {
    const std::span<const double> values = sample.loads.values();
    const double weight = sample.weight / total_weight;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weight * values[i];
  }
  return LoadMatrix::Derived(samples[0].loads.num_layers(), samples[0].loads.num_experts(), std::move(mean));
}

}  // namespace eplb
