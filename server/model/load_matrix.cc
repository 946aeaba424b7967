#include "server/model/load_matrix.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

// Whether all are at least 0 and far from the largest sum: nearly always, and found out several at a time.
bool IsPlausible(std::span<const double> loads) {
  const double most = kMaxLayerLoad / 2 / static_cast<double>(loads.size());
  int implausible = 0;
  for (const double load : loads) implausible += !((load >= 0) & (load <= most));
  return implausible == 0;
}

}  // namespace

LoadMatrix::LoadMatrix(int num_layers, int num_experts, std::vector<double> values)
    : num_layers_(num_layers), num_experts_(num_experts), values_(std::move(values)) {}

absl::StatusOr<LoadMatrix> LoadMatrix::Create(int num_layers, int num_experts, std::vector<double> values) {
  FieldErrors errors;
  if (num_layers < 1 || num_layers > kMaxLayers) {
    errors.Add("loads", absl::StrCat(num_layers, " layers"), absl::StrCat("must be from 1 to ", kMaxLayers));
  }
  if (num_experts < 1 || num_experts > kMaxExperts) {
    errors.Add("loads", absl::StrCat(num_experts, " experts"), absl::StrCat("must be from 1 to ", kMaxExperts));
  }
  if (!errors.empty()) return errors.ToStatus();
  const auto width = static_cast<std::size_t>(num_experts);
  if (values.size() != static_cast<std::size_t>(num_layers) * width) {
    return FieldErrorStatus("loads", absl::StrCat(values.size(), " values"),
                            absl::StrCat("must be layers x experts = ", num_layers, " x ", num_experts));
  }
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(num_layers); ++layer) {
    if (IsPlausible(std::span(values).subspan(layer * width, width))) continue;
    double sum = 0;
    for (std::size_t expert = 0; expert < width; ++expert) {
      const double value = values[layer * width + expert];
      if (!std::isfinite(value) || value < 0) {
        errors.Add(absl::StrCat("loads[", layer, "].tokens[", expert, "]"), absl::StrCat(value),
                   "must be finite and at least 0");
      }
      sum += value;
    }
    if (sum > kMaxLayerLoad) {
      errors.Add(absl::StrCat("loads[", layer, "].tokens"), absl::StrCat("sum ", sum), "must sum to at most 2^53");
    }
  }
  if (!errors.empty()) return errors.ToStatus();
  return LoadMatrix(num_layers, num_experts, std::move(values));
}

LoadMatrix LoadMatrix::Derived(int num_layers, int num_experts, std::vector<double> values) {
  EPLB_CHECK(num_layers >= 1 && num_experts >= 1);
  EPLB_CHECK(values.size() == static_cast<std::size_t>(num_layers) * static_cast<std::size_t>(num_experts));
  EPLB_CHECK(std::ranges::all_of(values, [](double value) { return std::isfinite(value) && value >= 0; }));
  return LoadMatrix(num_layers, num_experts, std::move(values));
}

}  // namespace eplb
