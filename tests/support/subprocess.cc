#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

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

}  // namespace

ProgramResult RunProgram(const std::vector<std::string>& arguments, const std::string& input,
                         const std::vector<std::string>& environment) {
  // Files instead of pipes: no program can be blocked by an output that nobody reads yet.
  const TemporaryDirectory directory;
  const std::string in = directory.Write("in", input);
  const std::string out = directory.Path("out");
  const std::string err = directory.Path("err");
  posix_spawn_file_actions_t actions;
  EPLB_CHECK(posix_spawn_file_actions_init(&actions) == 0);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::vector<std::string> argument_copies = arguments;
  std::vector<std::string> variables = environment;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  pid_t pid = 0;
  const int started = posix_spawn(&pid, arguments[0].c_str(), &actions, nullptr, Pointers(argument_copies).data(),
                                  Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  EPLB_CHECK(started == 0);
  int status = 0;
  EPLB_CHECK(::waitpid(pid, &status, 0) == pid);
  return {.exit_code = ExitCode(status), .out = ReadFile(out), .err = ReadFile(err)};
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
