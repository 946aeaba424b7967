#ifndef EPLB_CLIENT_FILES_LOAD_CSV_H_
#define EPLB_CLIENT_FILES_LOAD_CSV_H_

#include <istream>
#include <ostream>

#include "absl/status/statusor.h"
#include "client/files/load_series.h"

namespace eplb {

// Longest line that a CSV file of loads may have.
inline constexpr int kMaxCsvLineBytes = 1 << 20;

// Reads loads as comma-separated values:
//
//   # any number of comment lines, and empty lines, anywhere
//   window,layer,e0,e1,...
//   0,3,807392,570032,...
//
// One row per window and layer, in any order; every window has the same layers, once each. Layers are absolute model
// layers. Loads are decimal numbers, not negative. INVALID_ARGUMENT names the line and, where one is to blame, the
// column (counted from 1) with its header. Memory is bounded by the series and one line.
absl::StatusOr<LoadSeries> ReadLoadCsv(std::istream& input);

// Writes what ReadLoadCsv reads back to the same series; sub-windows are summed into their windows. UNKNOWN where the
// stream fails.
absl::Status WriteLoadCsv(const LoadSeries& series, std::ostream& output);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_LOAD_CSV_H_
