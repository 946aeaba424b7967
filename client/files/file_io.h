#ifndef EPLB_CLIENT_FILES_FILE_IO_H_
#define EPLB_CLIENT_FILES_FILE_IO_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eplb {

// Puts "path: " in front of the message of an error; OK stays OK. Codes and payloads stay.
absl::Status AtPath(const std::string& path, const absl::Status& status);

// Reads a whole file of at most max_bytes. NOT_FOUND, PERMISSION_DENIED, or INVALID_ARGUMENT for a directory or a
// larger file; each names the path.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, std::int64_t max_bytes);

// Writes a file so that readers see the former content or all of the new one: into a temporary file beside it, flushed
// to disk, then renamed. On an error the former file stays, the temporary one does not.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_FILE_IO_H_
