#ifndef EPLB_SERVER_BALANCER_SAMPLE_MEAN_H_
#define EPLB_SERVER_BALANCER_SAMPLE_MEAN_H_

#include <span>

#include "absl/status/statusor.h"
#include "server/model/load_matrix.h"

namespace eplb {

// The weighted mean of samples of equal shape, weights relative to one another: what a policy for one load pattern
// plans for, and what balances are reported under. A single sample comes back as it is, to the last bit.
absl::StatusOr<LoadMatrix> SampleMean(std::span<const LoadSample> samples);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SAMPLE_MEAN_H_
