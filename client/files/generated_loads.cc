#include "client/files/generated_loads.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "server/base/status_macros.h"

namespace eplb {
namespace {

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), and normal deviates by
// Box and Muller (1958): the standard library's distributions differ between implementations.
class NormalSource {
 public:
  explicit NormalSource(std::uint64_t seed) : state_(seed) {}

  double Next() {
    const double radius = std::sqrt(-2.0 * std::log(Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }

 private:
  // In (0, 1].
  double Uniform() {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    return static_cast<double>((z >> 11) + 1) * 0x1.0p-53;
  }

  std::uint64_t state_;
};

void AppendRow(LoadValues& values, std::vector<double>& row, int tokens_per_expert) {
  const double sum = std::accumulate(row.begin(), row.end(), 0.0);
  const double scale = static_cast<double>(tokens_per_expert) * static_cast<double>(row.size()) / sum;
  for (double value : row) values.Append(std::round(value * scale));
}

}  // namespace

absl::StatusOr<LoadSeries> GenerateLoads(const GeneratedLoads& options) {
  const LoadSeriesShape shape{.windows = options.windows,
                              .sub_windows = options.sub_windows,
                              .layers = options.layers,
                              .experts = options.experts};
  EPLB_RETURN_IF_ERROR(CheckShape(shape));
  NormalSource normal(options.seed);
  const auto width = static_cast<std::size_t>(options.experts);
  std::vector<double> popularity(static_cast<std::size_t>(options.layers) * width);
  for (double& value : popularity) value = std::exp(options.sigma * normal.Next());
  LoadValues values;
  std::vector<double> row(width);
  for (std::int64_t i = 0; i < shape.windows * shape.sub_windows; ++i) {
    for (std::size_t first = 0; first < popularity.size(); first += width) {
      for (std::size_t e = 0; e < width; ++e) row[e] = popularity[first + e] * std::exp(options.noise * normal.Next());
      AppendRow(values, row, options.tokens_per_expert);
    }
  }
  return LoadSeries::Create(shape, std::move(values));
}

}  // namespace eplb
