#include "client/files/generated_loads.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "client/files/normal_source.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

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
