#ifndef EPLB_SERVER_MODEL_LOAD_MATRIX_H_
#define EPLB_SERVER_MODEL_LOAD_MATRIX_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace eplb {

// Tokens routed to each logical expert of each layer over some window: [layers, experts], row major, every value
// finite and >= 0, every row summing to at most 2^53. What is derived from such loads (forecasts, their variance) is
// held alike, without that bound. Immutable but for assignment.
class LoadMatrix {
 public:
  // values holds num_layers x num_experts numbers. INVALID_ARGUMENT names the layer and expert of a bad value as
  // "loads[layer].tokens[expert]".
  static absl::StatusOr<LoadMatrix> Create(int num_layers, int num_experts, std::vector<double> values);

  // What was computed from valid loads: rows may sum to any value, as squared tokens do, and rounding may take a sum of
  // 2^53 past it. The shape must be that of valid loads and values finite and >= 0: anything else aborts.
  static LoadMatrix Derived(int num_layers, int num_experts, std::vector<double> values);

  int num_layers() const { return num_layers_; }
  int num_experts() const { return num_experts_; }

  // Loads of one layer: [num_experts].
  std::span<const double> layer(int index) const {
    const auto width = static_cast<std::size_t>(num_experts_);
    return std::span<const double>(values_).subspan(static_cast<std::size_t>(index) * width, width);
  }
  // All loads, row major.
  std::span<const double> values() const { return values_; }

  bool operator==(const LoadMatrix&) const = default;

 private:
  LoadMatrix(int num_layers, int num_experts, std::vector<double> values);

  int num_layers_;
  int num_experts_;
  std::vector<double> values_;
};

// One of several load patterns that a placement should serve, with its weight in the objective.
struct LoadSample {
  LoadMatrix loads;
  double weight = 1.0;  // finite, > 0; relative to the other samples' weights
};

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_LOAD_MATRIX_H_
