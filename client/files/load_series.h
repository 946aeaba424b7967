#ifndef EPLB_CLIENT_FILES_LOAD_SERIES_H_
#define EPLB_CLIENT_FILES_LOAD_SERIES_H_

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/load_matrix.h"

namespace eplb {

// Most loads that one series may hold, over all windows and layers: 1 GiB as 32-bit integers, 2 GiB as doubles.
inline constexpr std::int64_t kMaxSeriesValues = std::int64_t{1} << 28;
// Highest absolute layer index and window number that a file may name.
inline constexpr std::int64_t kMaxModelLayer = 65535;
inline constexpr std::int64_t kMaxWindowNumber = 2147483647;

// Loads in the order of their arrival, held as 32-bit integers for as long as every one of them is such an integer,
// and as doubles from the first one on that is not.
class LoadValues {
 public:
  // value is finite and >= 0.
  void Append(double value);

  std::int64_t size() const;
  double at(std::int64_t index) const;
  // Rows of `width` values in another order: row i of the result is row order[i] of this.
  LoadValues Gather(std::int64_t width, const std::vector<std::int64_t>& order) const;
  // Adds `count` values from `first` on to sums[0, count).
  void AddTo(std::int64_t first, std::int64_t count, double* sums) const;
  bool is_compact() const { return std::holds_alternative<std::vector<std::uint32_t>>(values_); }

  bool operator==(const LoadValues&) const = default;

 private:
  std::variant<std::vector<std::uint32_t>, std::vector<double>> values_;
};

// Shape of a series: [windows, sub_windows, layers, experts].
struct LoadSeriesShape {
  std::int64_t windows = 1;
  std::int64_t sub_windows = 1;
  int layers = 0;
  int experts = 0;

  bool operator==(const LoadSeriesShape&) const = default;
};

// Checks that every dimension is within its bound and the product within kMaxSeriesValues: what a file claims is
// checked before anything is allocated for it.
absl::Status CheckShape(const LoadSeriesShape& shape);

// Recorded loads of every expert over successive windows, each made of equally many sub-windows. Immutable but for
// moves.
class LoadSeries {
 public:
  // values: [windows, sub_windows, layers, experts]. model_layers: [layers] absolute layer indices, rising; empty:
  // 0, 1, ... window_numbers: [windows] as the file names them, rising; empty: 0, 1, ... INVALID_ARGUMENT says what
  // does not fit.
  static absl::StatusOr<LoadSeries> Create(const LoadSeriesShape& shape, LoadValues values,
                                           std::vector<int> model_layers = {},
                                           std::vector<std::int64_t> window_numbers = {});

  const LoadSeriesShape& shape() const { return shape_; }
  const std::vector<int>& model_layers() const { return model_layers_; }
  const std::vector<std::int64_t>& window_numbers() const { return window_numbers_; }
  const LoadValues& values() const { return values_; }

  // The place of the window that the file calls `number`. INVALID_ARGUMENT says which numbers there are.
  absl::StatusOr<std::int64_t> FindWindow(std::int64_t number) const;

  // Loads of one sub-window, of one window (the sum of its sub-windows), and of all windows. Indices count from 0 and
  // are in range. INVALID_ARGUMENT where a layer sums to more than a LoadMatrix holds.
  absl::StatusOr<LoadMatrix> SubWindow(std::int64_t window, std::int64_t sub_window) const;
  absl::StatusOr<LoadMatrix> Window(std::int64_t window) const;
  absl::StatusOr<LoadMatrix> Sum() const;

  // The same loads, with layers numbered from `first`. For files that do not say which layers they hold.
  LoadSeries NumberedFrom(int first) &&;

  bool operator==(const LoadSeries&) const = default;

 private:
  LoadSeries(const LoadSeriesShape& shape, LoadValues values, std::vector<int> model_layers,
             std::vector<std::int64_t> window_numbers);
  // Sum of `count` successive sub-windows, counted over all windows.
  absl::StatusOr<LoadMatrix> SumOf(std::int64_t first, std::int64_t count) const;

  LoadSeriesShape shape_;
  LoadValues values_;
  std::vector<int> model_layers_;
  std::vector<std::int64_t> window_numbers_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_LOAD_SERIES_H_
