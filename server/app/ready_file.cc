#include "server/app/ready_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

absl::Status Failed(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("process.ready_file: cannot write ", path, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<ReadyFile> ReadyFile::Write(const std::string& path, const std::string& content) {
  const std::string unfinished = path + ".tmp";
  errno = 0;
  std::ofstream file(unfinished, std::ios::trunc);
  file << content;
  file.close();
  if (file.fail() || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    const absl::Status status = Failed(path);
    std::remove(unfinished.c_str());
    return status;
  }
  return ReadyFile(path);
}

ReadyFile::~ReadyFile() {
  if (!path_.empty()) std::remove(path_.c_str());
}

ReadyFile::ReadyFile(ReadyFile&& other) noexcept : path_(std::exchange(other.path_, "")) {}

}  // namespace eplb
