#ifndef EPLB_CLIENT_EPLBCTL_LOAD_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_LOAD_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/files/load_series.h"
#include "server/model/load_matrix.h"

namespace eplb {

// The loads that a command works on.
struct LoadSelection {
  std::vector<LoadSample> samples = {};  // at least one, of equal shape; whole tokens
  std::vector<int> model_layers = {};
  std::string description = {};  // as in "loads.csv: 58 layers x 256 experts, sum of 8 windows"
};

// --loads, --window, --each-window, --window-weights and --first-layer.
class LoadFlags {
 public:
  void AddTo(CLI::App& app);

  // Reads the file and picks or sums its windows; errors as in load_file.h.
  absl::StatusOr<LoadSelection> Read() const;

 private:
  std::string path_;
  CLI::Option* window_option_ = nullptr;
  std::int64_t window_ = 0;
  int first_layer_ = 0;
  bool each_window_ = false;
  std::vector<double> weights_;  // of each window; empty: all 1
};

// Reads a series; where its file does not name the layers they are numbered from first_layer, which is otherwise
// refused unless 0.
absl::StatusOr<LoadSeries> ReadSeries(const std::string& path, int first_layer);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_LOAD_FLAGS_H_
