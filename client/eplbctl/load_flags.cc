#include "client/eplbctl/load_flags.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/flag_checks.h"
#include "client/files/file_io.h"
#include "client/files/load_file.h"
#include "client/files/whole_tokens.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

std::string Describe(const std::string& path, const LoadSeriesShape& shape, bool one_window, std::int64_t window,
                     bool each_window) {
  const std::string windows = one_window           ? absl::StrCat("window ", window)
                              : each_window        ? absl::StrCat("each of ", shape.windows, " windows")
                              : shape.windows == 1 ? "1 window"
                                                   : absl::StrCat("sum of ", shape.windows, " windows");
  return absl::StrCat(path, ": ", shape.layers, " layers x ", shape.experts, " experts, ", windows);
}

}  // namespace

void LoadFlags::AddTo(CLI::App& app) {
  app.add_option("--loads", path_, "Loads: CSV (window,layer,e0,e1,...) or NumPy array; - is the standard input")
      ->required()
      ->type_name("FILE")
      ->group("Loads");
  window_option_ = app.add_option("--window", window_, "Take only this window; without it windows are summed")
                       ->type_name("K")
                       ->group("Loads");
  CLI::Option* each_window =
      app.add_flag("--each-window", each_window_, "Plan for every window as a pattern of its own, not for their sum")
          ->excludes(window_option_)
          ->group("Loads");
  app.add_option("--window-weights", weights_,
                 "What each window counts for against the others, as in 3,1,0.5; 0: not at all [all 1]")
      ->type_name("W,...")
      ->delimiter(',')
      ->check(InRange(0.0, kMaxSampleWeight))
      ->needs(each_window)
      ->group("Loads");
  app.add_option("--first-layer", first_layer_, "Model layer of the first row, for NumPy arrays")
      ->type_name("N")
      ->check(InRange(0, static_cast<int>(kMaxModelLayer)))
      ->group("Loads");
}

absl::StatusOr<LoadSeries> ReadSeries(const std::string& path, int first_layer) {
  EPLB_ASSIGN_OR_RETURN(LoadFile file, ReadLoadFile(path));
  if (!file.names_layers) return std::move(file.series).NumberedFrom(first_layer);
  if (first_layer == 0) return std::move(file.series);
  return absl::InvalidArgumentError(absl::StrCat("--first-layer: ", path, " names its layers itself"));
}

absl::StatusOr<LoadSelection> LoadFlags::Read() const {
  EPLB_ASSIGN_OR_RETURN(const LoadSeries series, ReadSeries(path_, first_layer_));
  const bool one_window = window_option_->count() > 0;
  const LoadSeriesShape& shape = series.shape();
  if (each_window_ && shape.windows > kMaxSamples) {
    return absl::InvalidArgumentError(
        absl::StrCat("--each-window: ", path_, " has ", shape.windows, " windows: must be at most ", kMaxSamples));
  }
  if (!weights_.empty() && std::ssize(weights_) != shape.windows) {
    return absl::InvalidArgumentError(absl::StrCat("--window-weights: ", weights_.size(), " weights: must be ",
                                                   shape.windows, ", one for each window of ", path_));
  }
  std::int64_t window = 0;
  if (one_window) {
    absl::StatusOr<std::int64_t> found = series.FindWindow(window_);
    if (!found.ok()) return AtPath("--window", found.status());
    window = *found;
  }
  LoadSelection selection{.model_layers = series.model_layers(),
                          .description = Describe(path_, shape, one_window, window_, each_window_)};
  for (std::int64_t i = 0; i < (each_window_ ? shape.windows : 1); ++i) {
    absl::StatusOr<LoadMatrix> loads = one_window     ? series.Window(window)
                                       : each_window_ ? series.Window(i)
                                                      : series.Sum();
    if (!loads.ok()) return AtPath(path_, loads.status());
    selection.samples.push_back(
        {.loads = WholeTokens(*loads), .weight = weights_.empty() ? 1.0 : weights_[static_cast<std::size_t>(i)]});
  }
  return selection;
}

}  // namespace eplb
