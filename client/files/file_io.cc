#include "client/files/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr std::size_t kReadBytes = 1 << 16;
constexpr mode_t kNewFileMode = 0644;

// Closes a file descriptor at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  // 0, or -1 and errno.
  int Close() { return ::close(std::exchange(value_, -1)); }

 private:
  int value_;
};

absl::Status ErrnoStatus(const std::string& path, std::string_view action) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", std::string(action)));
}

absl::Status WriteAll(int descriptor, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(path, "write");
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteAndRename(Descriptor& file, const std::string& temporary, const std::string& path,
                            std::string_view content) {
  EPLB_RETURN_IF_ERROR(WriteAll(file.get(), content, path));
  struct stat former = {};
  const mode_t mode = ::stat(path.c_str(), &former) == 0 ? former.st_mode & 07777 : kNewFileMode;
  if (::fchmod(file.get(), mode) != 0) return ErrnoStatus(path, "set permissions");
  if (::fsync(file.get()) != 0) return ErrnoStatus(path, "flush");
  if (file.Close() != 0) return ErrnoStatus(path, "close");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus(path, "replace");
  return absl::OkStatus();
}

}  // namespace

absl::Status AtPath(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status named(status.code(), absl::StrCat(path, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, std::int64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(path, "open");
  std::string content;
  while (true) {
    const std::size_t start = content.size();
    content.resize(start + kReadBytes);
    const ssize_t got = ::read(file.get(), content.data() + start, kReadBytes);
    content.resize(start + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return content;
    if (got < 0 && errno != EINTR) return ErrnoStatus(path, "read");
    if (static_cast<std::int64_t>(content.size()) > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": must be at most ", max_bytes, " bytes long"));
    }
  }
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content) {
  struct stat former = {};
  // A pipe or a terminal (/dev/stdout) cannot be replaced, and its readers expect no more than writes.
  if (::stat(path.c_str(), &former) == 0 && !S_ISREG(former.st_mode)) {
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0) return ErrnoStatus(path, "open");
    return WriteAll(file.get(), content, path);
  }
  std::string temporary = path + ".XXXXXX";
  Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(path, "create");
  absl::Status status = WriteAndRename(file, temporary, path, content);
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

}  // namespace eplb
