#include <cstdint>
#include <sstream>
#include <string>

#include "client/files/load_csv.h"
#include "server/base/check.h"

// Any bytes either are refused or are a series that is written and read back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream input(std::string(reinterpret_cast<const char*>(data), size));
  const absl::StatusOr<eplb::LoadSeries> series = eplb::ReadLoadCsv(input);
  if (!series.ok()) return 0;
  std::stringstream file;
  if (!eplb::WriteLoadCsv(*series, file).ok()) return 0;  // a layer may sum to more than a matrix holds
  const absl::StatusOr<eplb::LoadSeries> again = eplb::ReadLoadCsv(file);
  EPLB_CHECK(again.ok());
  EPLB_CHECK(*again == *series);
  return 0;
}
