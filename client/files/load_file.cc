#include "client/files/load_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/files/file_io.h"
#include "client/files/load_csv.h"
#include "client/files/load_npy.h"
#include "server/base/status_macros.h"

namespace eplb {

absl::StatusOr<LoadFile> ReadLoads(std::istream& input) {
  const int first = input.rdbuf()->sgetc();
  if (first == kNpyFirstByte) {
    EPLB_ASSIGN_OR_RETURN(LoadSeries series, ReadLoadNpy(input));
    return LoadFile{.series = std::move(series), .names_layers = false};
  }
  EPLB_ASSIGN_OR_RETURN(LoadSeries series, ReadLoadCsv(input));
  return LoadFile{.series = std::move(series), .names_layers = true};
}

absl::StatusOr<LoadFile> ReadLoadFile(const std::string& path) {
  absl::StatusOr<LoadFile> loads = absl::UnknownError("");
  if (path == "-") {
    std::ios::sync_with_stdio(false);
    loads = ReadLoads(std::cin);
  } else {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
    if (S_ISDIR(status.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, ": is a directory"));
    std::ifstream input(path, std::ios::binary);
    if (!input) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
    loads = ReadLoads(input);
  }
  if (!loads.ok()) return AtPath(path == "-" ? "standard input" : path, loads.status());
  return loads;
}

}  // namespace eplb
