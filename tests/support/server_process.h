#ifndef EPLB_TESTS_SUPPORT_SERVER_PROCESS_H_
#define EPLB_TESTS_SUPPORT_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace eplb::testing {

// A server program that runs beside the test, known by what it logs. It is killed at the end of the object's life, and
// by the kernel should the test itself be killed.
class ServerProcess {
 public:
  // arguments[0] is the path. Aborts where it cannot be started.
  explicit ServerProcess(const std::vector<std::string>& arguments);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Reads the log up to the first line that holds `text`, and returns that line; empty where the process ended first.
  // Blocks without a limit of its own: ctest has one.
  std::string WaitForLine(const std::string& text);

  void Signal(int signal) const;

  // Waits for the end; the exit code, or 128 + the signal that ended it. What it still logged is in log().
  int WaitForEnd();

  // Closes this end of the server's standard error: what it logs from then on fails.
  void CloseLog();

  // Standard error as read so far.
  const std::string& log() const { return log_; }
  pid_t pid() const { return pid_; }

 private:
  bool ReadSome();

  pid_t pid_ = -1;   // -1: ended
  int log_fd_ = -1;  // -1: closed
  std::string log_;
  std::size_t seen_ = 0;  // of log_, by WaitForLine
};

// The value of key=value in a log line of the text format; empty where there is none.
std::string LogValue(const std::string& line, const std::string& key);

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_SERVER_PROCESS_H_
