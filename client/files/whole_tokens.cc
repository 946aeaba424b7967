#include "client/files/whole_tokens.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "server/base/check.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr int kMaxExponent = 32;

double LargestLayerLoad(const LoadMatrix& loads) {
  double largest = 0;
  for (int layer = 0; layer < loads.num_layers(); ++layer) {
    const auto row = loads.layer(layer);
    largest = std::max(largest, std::accumulate(row.begin(), row.end(), 0.0));
  }
  return largest;
}

}  // namespace

LoadMatrix WholeTokens(const LoadMatrix& loads) {
  if (std::ranges::all_of(loads.values(), [](double value) { return value == std::trunc(value); })) return loads;
  int exponent = kMaxExponent;
  const double largest = LargestLayerLoad(loads);
  while (exponent > 0 && std::ldexp(largest, exponent) > kMaxLayerLoad / 2) --exponent;
  std::vector<double> scaled;
  scaled.reserve(loads.values().size());
  // Rounding up could exceed the bound only where nothing is scaled; there the fraction is cut off.
  for (double value : loads.values()) {
    scaled.push_back(exponent > 0 ? std::round(std::ldexp(value, exponent)) : std::trunc(value));
  }
  absl::StatusOr<LoadMatrix> whole = LoadMatrix::Create(loads.num_layers(), loads.num_experts(), std::move(scaled));
  EPLB_CHECK(whole.ok());
  return *std::move(whole);
}

}  // namespace eplb
