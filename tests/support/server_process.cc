#include "tests/support/server_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "server/base/check.h"

namespace eplb::testing {
namespace {

int ExitCode(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& arguments) {
  std::array<int, 2> pipe_fds{};
  EPLB_CHECK(::pipe2(pipe_fds.data(), O_CLOEXEC) == 0);
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);
  pid_ = ::fork();
  EPLB_CHECK(pid_ >= 0);
  if (pid_ == 0) {  // only calls that are safe after fork
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(pipe_fds[1], STDERR_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(pipe_fds[1]);
  log_fd_ = pipe_fds[0];
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    Signal(SIGKILL);
    WaitForEnd();
  }
  CloseLog();
}

void ServerProcess::CloseLog() {
  if (log_fd_ >= 0) ::close(log_fd_);
  log_fd_ = -1;
}

std::string ServerProcess::WaitForLine(const std::string& text) {
  while (true) {
    for (std::size_t end = log_.find('\n', seen_); end != std::string::npos; end = log_.find('\n', seen_)) {
      const std::string line = log_.substr(seen_, end - seen_);
      seen_ = end + 1;
      if (line.find(text) != std::string::npos) return line;
    }
    if (!ReadSome()) return "";
  }
}

void ServerProcess::Signal(int signal) const { EPLB_CHECK(pid_ > 0 && ::kill(pid_, signal) == 0); }

int ServerProcess::WaitForEnd() {
  EPLB_CHECK(pid_ > 0);
  while (ReadSome()) {
  }
  int status = 0;
  EPLB_CHECK(::waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  return ExitCode(status);
}

bool ServerProcess::ReadSome() {
  std::array<char, 4096> buffer;
  const ssize_t count = ::read(log_fd_, buffer.data(), buffer.size());
  if (count <= 0) return false;
  log_.append(buffer.data(), static_cast<std::size_t>(count));
  return true;
}

std::string LogValue(const std::string& line, const std::string& key) {
  const std::size_t at = (" " + line).find(" " + key + "=");
  if (at == std::string::npos) return "";
  const std::size_t start = at + key.size() + 1;
  return line.substr(start, line.find(' ', start) - start);
}

}  // namespace eplb::testing
