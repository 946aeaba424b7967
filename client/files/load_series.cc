#include "client/files/load_series.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

bool FitsCompact(double value) {
  return value <= std::numeric_limits<std::uint32_t>::max() &&
         static_cast<double>(static_cast<std::uint32_t>(value)) == value;
}

std::size_t Index(std::int64_t value) { return static_cast<std::size_t>(value); }

}  // namespace

void LoadValues::Append(double value) {
  if (auto* compact = std::get_if<std::vector<std::uint32_t>>(&values_)) {
    if (FitsCompact(value)) {
      compact->push_back(static_cast<std::uint32_t>(value));
      return;
    }
    std::vector<double> wide(compact->begin(), compact->end());
    values_ = std::move(wide);
  }
  std::get<std::vector<double>>(values_).push_back(value);
}

std::int64_t LoadValues::size() const {
  return std::visit([](const auto& values) { return static_cast<std::int64_t>(values.size()); }, values_);
}

double LoadValues::at(std::int64_t index) const {
  return std::visit([&](const auto& values) { return static_cast<double>(values[Index(index)]); }, values_);
}

LoadValues LoadValues::Gather(std::int64_t width, const std::vector<std::int64_t>& order) const {
  LoadValues gathered;
  std::visit(
      [&](const auto& values) {
        std::decay_t<decltype(values)> out;
        out.reserve(order.size() * Index(width));
        for (std::int64_t row : order) {
          const auto begin = values.begin() + row * width;
          out.insert(out.end(), begin, begin + width);
        }
        gathered.values_ = std::move(out);
      },
      values_);
  return gathered;
}

void LoadValues::AddTo(std::int64_t first, std::int64_t count, double* sums) const {
  std::visit(
      [&](const auto& values) {
        for (std::int64_t i = 0; i < count; ++i) sums[i] += static_cast<double>(values[Index(first + i)]);
      },
      values_);
}

absl::Status CheckShape(const LoadSeriesShape& shape) {
  FieldErrors errors;
  const auto check = [&](std::string_view name, std::int64_t value, std::int64_t high) {
    if (value < 1 || value > high) errors.Add(name, absl::StrCat(value), absl::StrCat("must be from 1 to ", high));
  };
  check("windows", shape.windows, kMaxSeriesValues);
  check("sub-windows", shape.sub_windows, kMaxSeriesValues);
  check("layers", shape.layers, kMaxLayers);
  check("experts", shape.experts, kMaxExperts);
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  const std::int64_t per_sub_window = std::int64_t{shape.layers} * shape.experts;
  // Each factor is at most 2^28, so neither product overflows.
  if (shape.windows * shape.sub_windows > kMaxSeriesValues ||
      shape.windows * shape.sub_windows * per_sub_window > kMaxSeriesValues) {
    errors.Add("windows x sub-windows x layers x experts",
               absl::StrCat(shape.windows, " x ", shape.sub_windows, " x ", shape.layers, " x ", shape.experts),
               absl::StrCat("must be at most ", kMaxSeriesValues, " loads"));
  }
  return errors.ToStatus();
}

LoadSeries::LoadSeries(const LoadSeriesShape& shape, LoadValues values, std::vector<int> model_layers,
                       std::vector<std::int64_t> window_numbers)
    : shape_(shape),
      values_(std::move(values)),
      model_layers_(std::move(model_layers)),
      window_numbers_(std::move(window_numbers)) {}

absl::StatusOr<LoadSeries> LoadSeries::Create(const LoadSeriesShape& shape, LoadValues values,
                                              std::vector<int> model_layers, std::vector<std::int64_t> window_numbers) {
  EPLB_RETURN_IF_ERROR(CheckShape(shape));
  const std::int64_t expected = shape.windows * shape.sub_windows * shape.layers * shape.experts;
  if (values.size() != expected) {
    return FieldErrorStatus("loads", absl::StrCat(values.size(), " values"), absl::StrCat("must be ", expected));
  }
  if (model_layers.empty()) {
    model_layers.resize(Index(shape.layers));
    std::iota(model_layers.begin(), model_layers.end(), 0);
  }
  if (window_numbers.empty()) {
    window_numbers.resize(Index(shape.windows));
    std::iota(window_numbers.begin(), window_numbers.end(), 0);
  }
  if (model_layers.size() != Index(shape.layers) || !std::ranges::is_sorted(model_layers, std::less_equal<>())) {
    return FieldErrorStatus("layers", "", absl::StrCat("must be ", shape.layers, " rising indices"));
  }
  if (window_numbers.size() != Index(shape.windows) || !std::ranges::is_sorted(window_numbers, std::less_equal<>())) {
    return FieldErrorStatus("windows", "", absl::StrCat("must be ", shape.windows, " rising numbers"));
  }
  return LoadSeries(shape, std::move(values), std::move(model_layers), std::move(window_numbers));
}

absl::StatusOr<std::int64_t> LoadSeries::FindWindow(std::int64_t number) const {
  const auto found = std::ranges::lower_bound(window_numbers_, number);
  if (found != window_numbers_.end() && *found == number) return found - window_numbers_.begin();
  return absl::InvalidArgumentError(absl::StrCat("window ", number, " is not there: the file holds ", shape_.windows,
                                                 " windows, from ", window_numbers_.front(), " to ",
                                                 window_numbers_.back()));
}

absl::StatusOr<LoadMatrix> LoadSeries::SumOf(std::int64_t first, std::int64_t count) const {
  const std::int64_t size = std::int64_t{shape_.layers} * shape_.experts;
  std::vector<double> sums(Index(size), 0.0);
  for (std::int64_t i = first; i < first + count; ++i) values_.AddTo(i * size, size, sums.data());
  return LoadMatrix::Create(shape_.layers, shape_.experts, std::move(sums));
}

absl::StatusOr<LoadMatrix> LoadSeries::SubWindow(std::int64_t window, std::int64_t sub_window) const {
  return SumOf(window * shape_.sub_windows + sub_window, 1);
}

absl::StatusOr<LoadMatrix> LoadSeries::Window(std::int64_t window) const {
  return SumOf(window * shape_.sub_windows, shape_.sub_windows);
}

absl::StatusOr<LoadMatrix> LoadSeries::Sum() const { return SumOf(0, shape_.windows * shape_.sub_windows); }

LoadSeries LoadSeries::NumberedFrom(int first) && {
  std::iota(model_layers_.begin(), model_layers_.end(), first);
  return std::move(*this);
}

}  // namespace eplb
