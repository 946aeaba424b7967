#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/config/load_config.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

absl::Status ErrnoStatus() { return absl::UnavailableError(std::strerror(errno)); }

absl::StatusOr<std::string> ReadDescriptor(int descriptor) {
  std::string content;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus();
    if (count == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > kMaxFileBytes) {
      return absl::OutOfRangeError(absl::StrCat("it is larger than ", kMaxFileBytes, " bytes"));
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus();
  absl::StatusOr<std::string> content = ReadDescriptor(descriptor);
  close(descriptor);
  return content;
}

}  // namespace eplb
