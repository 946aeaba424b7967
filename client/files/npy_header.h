#ifndef EPLB_CLIENT_FILES_NPY_HEADER_H_
#define EPLB_CLIENT_FILES_NPY_HEADER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace eplb {

// What the dictionary at the front of a NumPy array file says.
struct NpyHeader {
  char kind = 'u';                       // 'u' unsigned, 'i' signed, 'f' floating point
  int width = 4;                         // bytes of one value: 1, 2, 4, 8; 4 or 8 for 'f'
  std::vector<std::int64_t> shape = {};  // 1 to 8 dimensions, each from 0 to 2^40

  bool operator==(const NpyHeader&) const = default;
};

// Parses the dictionary, as in {'descr': '<u4', 'fortran_order': False, 'shape': (58, 256), }: the three keys in any
// order, once each, and nothing else. `offset` is where the text starts in the file. INVALID_ARGUMENT names the byte
// offset and the key, for syntax, big-endian or other types, and Fortran order. The format is that of numpy's
// lib/format.py, of which this is the part that plain arrays of numbers use.
absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view text, std::int64_t offset);

// The dictionary of a header, as ParseNpyHeader reads it, without padding.
std::string FormatNpyHeader(const NpyHeader& header);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_NPY_HEADER_H_
