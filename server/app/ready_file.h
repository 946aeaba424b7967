#ifndef EPLB_SERVER_APP_READY_FILE_H_
#define EPLB_SERVER_APP_READY_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace eplb {

// A file that is there, whole, as long as the object lives: tells scripts that the server is ready, and where. A killed
// process leaves it behind, with its process id in it.
class ReadyFile {
 public:
  // Replaces a file that is there already. UNAVAILABLE with the system's reason where it cannot be written.
  static absl::StatusOr<ReadyFile> Write(const std::string& path, const std::string& content);

  ~ReadyFile();
  ReadyFile(ReadyFile&& other) noexcept;
  ReadyFile& operator=(ReadyFile&&) = delete;

 private:
  explicit ReadyFile(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: moved from
};

}  // namespace eplb

#endif  // EPLB_SERVER_APP_READY_FILE_H_
