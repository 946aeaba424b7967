#ifndef EPLB_CLIENT_FILES_GENERATED_LOADS_H_
#define EPLB_CLIENT_FILES_GENERATED_LOADS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "client/files/load_series.h"

namespace eplb {

// Made-up loads: the popularity of each expert of each layer is exp(sigma * N(0, 1)), each sub-window multiplies it by
// exp(noise * N(0, 1)), and rows are scaled to whole tokens with the given mean.
struct GeneratedLoads {
  int windows = 1;
  int sub_windows = 1;
  int layers = 58;
  int experts = 256;
  int tokens_per_expert = 1000;  // mean, in one sub-window
  double sigma = 1.0;
  double noise = 0.1;
  std::uint64_t seed = 1;
};

// Equal arguments give equal loads. INVALID_ARGUMENT where the shape is out of bounds.
absl::StatusOr<LoadSeries> GenerateLoads(const GeneratedLoads& options);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_GENERATED_LOADS_H_
