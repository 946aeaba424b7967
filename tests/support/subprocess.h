#ifndef EPLB_TESTS_SUPPORT_SUBPROCESS_H_
#define EPLB_TESTS_SUPPORT_SUBPROCESS_H_

#include <string>
#include <vector>

namespace eplb::testing {

// What a program left behind.
struct ProgramResult {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out;
  std::string err;
};

// Runs a program to its end with this standard input; its outputs are pipes, never terminals. arguments[0] is the path.
// `environment` entries ("NAME=value") come on top of this process's own. Aborts where the program cannot be started.
ProgramResult RunProgram(const std::vector<std::string>& arguments, const std::string& input = "",
                         const std::vector<std::string>& environment = {});

// A program that runs beside the test. It gets SIGTERM, and is waited for, at the end of this object's life.
class BackgroundProgram {
 public:
  explicit BackgroundProgram(const std::vector<std::string>& arguments);
  ~BackgroundProgram();
  BackgroundProgram(const BackgroundProgram&) = delete;
  BackgroundProgram& operator=(const BackgroundProgram&) = delete;

  // Reads its standard error until a line holds `text`, and returns that line. Blocks until then; empty where the
  // program ends first.
  std::string WaitForLine(const std::string& text);
  // Sends SIGTERM, and waits for the end; the exit code as in ProgramResult. Only the first call does anything.
  int Stop();

 private:
  int pid_ = 0;
  int pipe_ = -1;
  std::string unread_;
  int exit_code_ = -1;
};

// A directory of its own that is removed with all it holds at the end of its life.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  // Path of a file in it.
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

// The whole content of a file; aborts where it cannot be read.
std::string ReadFile(const std::string& path);

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_SUBPROCESS_H_
