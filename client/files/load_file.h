#ifndef EPLB_CLIENT_FILES_LOAD_FILE_H_
#define EPLB_CLIENT_FILES_LOAD_FILE_H_

#include <istream>
#include <string>

#include "absl/status/statusor.h"
#include "client/files/load_series.h"

namespace eplb {

// A series and whether its file says which model layers it holds; a NumPy file does not, its layers count from 0.
struct LoadFile {
  LoadSeries series;
  bool names_layers = false;
};

// Reads a series of loads from CSV (load_csv.h) or NumPy (load_npy.h), told apart by the first byte, whatever the file
// is called. "-" is the standard input. Errors name the path, and are those of the two readers, or NOT_FOUND and
// PERMISSION_DENIED.
absl::StatusOr<LoadFile> ReadLoadFile(const std::string& path);

// The same from a stream; errors name no path.
absl::StatusOr<LoadFile> ReadLoads(std::istream& input);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_LOAD_FILE_H_
