#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/base/check.h"

extern char** environ;

namespace eplb::testing {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

int ExitCode(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

// Files that a program starts with.
class FileActions {
 public:
  FileActions() { EPLB_CHECK(posix_spawn_file_actions_init(&actions_) == 0); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  posix_spawn_file_actions_t* get() { return &actions_; }
  void Open(int descriptor, const std::string& path, int flags) {
    EPLB_CHECK(posix_spawn_file_actions_addopen(&actions_, descriptor, path.c_str(), flags, 0600) == 0);
  }

 private:
  posix_spawn_file_actions_t actions_;
};

pid_t Spawn(const std::vector<std::string>& arguments, FileActions& actions,
            const std::vector<std::string>& environment) {
  std::vector<std::string> argument_copies = arguments;
  std::vector<std::string> variables = environment;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  pid_t pid = 0;
  EPLB_CHECK(posix_spawn(&pid, arguments[0].c_str(), actions.get(), nullptr, Pointers(argument_copies).data(),
                         Pointers(variables).data()) == 0);
  return pid;
}

int WaitFor(pid_t pid) {
  int status = 0;
  EPLB_CHECK(::waitpid(pid, &status, 0) == pid);
  return ExitCode(status);
}

}  // namespace

ProgramResult RunProgram(const std::vector<std::string>& arguments, const std::string& input,
                         const std::vector<std::string>& environment) {
  // Files instead of pipes: no program can be blocked by an output that nobody reads yet.
  const TemporaryDirectory directory;
  const std::string out = directory.Path("out");
  const std::string err = directory.Path("err");
  FileActions actions;
  actions.Open(STDIN_FILENO, directory.Write("in", input), O_RDONLY);
  actions.Open(STDOUT_FILENO, out, O_WRONLY | O_CREAT | O_TRUNC);
  actions.Open(STDERR_FILENO, err, O_WRONLY | O_CREAT | O_TRUNC);
  const int exit_code = WaitFor(Spawn(arguments, actions, environment));
  return {.exit_code = exit_code, .out = ReadFile(out), .err = ReadFile(err)};
}

BackgroundProgram::BackgroundProgram(const std::vector<std::string>& arguments) {
  int ends[2] = {-1, -1};
  EPLB_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
  FileActions actions;
  actions.Open(STDIN_FILENO, "/dev/null", O_RDONLY);
  actions.Open(STDOUT_FILENO, "/dev/null", O_WRONLY);
  EPLB_CHECK(posix_spawn_file_actions_adddup2(actions.get(), ends[1], STDERR_FILENO) == 0);
  pid_ = Spawn(arguments, actions, {});
  ::close(ends[1]);
  pipe_ = ends[0];
}

BackgroundProgram::~BackgroundProgram() { Stop(); }

std::string BackgroundProgram::WaitForLine(const std::string& text) {
  while (true) {
    for (auto end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (line.find(text) != std::string::npos) return line;
    }
    char buffer[4096];
    const ssize_t got = ::read(pipe_, buffer, sizeof buffer);
    if (got <= 0) return "";
    unread_.append(buffer, static_cast<std::size_t>(got));
  }
}

int BackgroundProgram::Stop() {
  if (pid_ == 0) return exit_code_;
  ::kill(pid_, SIGTERM);
  exit_code_ = WaitFor(pid_);
  ::close(pipe_);
  pid_ = 0;
  return exit_code_;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = std::filesystem::temp_directory_path() / "eplb_test_XXXXXX";
  EPLB_CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::Write(const std::string& name, const std::string& content) const {
  std::ofstream file(Path(name), std::ios::binary);
  file << content;
  EPLB_CHECK(file.good());
  return Path(name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EPLB_CHECK(file.good());
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace eplb::testing
