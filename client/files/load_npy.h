#ifndef EPLB_CLIENT_FILES_LOAD_NPY_H_
#define EPLB_CLIENT_FILES_LOAD_NPY_H_

#include <istream>
#include <ostream>

#include "absl/status/statusor.h"
#include "client/files/load_series.h"

namespace eplb {

// The first byte of every NumPy array file, and of no text file.
inline constexpr unsigned char kNpyFirstByte = 0x93;

// Reads loads from a NumPy array file of version 1 or 2: integers or floating point, little-endian, C order, of shape
// [layers, experts], [windows, layers, experts] or [windows, sub-windows, layers, experts]. Layers are numbered from 0.
// INVALID_ARGUMENT names the byte offset, and the header's field or the value's index. What the header claims allocates
// nothing: memory grows with the bytes that are really there.
absl::StatusOr<LoadSeries> ReadLoadNpy(std::istream& input);

// Writes the series as [windows, sub-windows, layers, experts], or [windows, layers, experts] where there is one
// sub-window in each, as 32-bit integers where all values are such, else as doubles. UNKNOWN where the stream fails.
absl::Status WriteLoadNpy(const LoadSeries& series, std::ostream& output);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_LOAD_NPY_H_
