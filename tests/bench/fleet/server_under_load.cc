#include "tests/bench/fleet/server_under_load.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/check.h"
#include "tests/support/http_get.h"

namespace eplb {
namespace {

std::string ServerBinary() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "eplb-server").string();
}

// The value of a name=value line; empty where there is none.
std::string LineValue(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  }
  return "";
}

// The value of " name=value " within a line.
std::string Field(const std::string& line, const std::string& name) {
  const std::size_t at = (" " + line).find(" " + name + "=");
  if (at == std::string::npos) return "";
  const std::size_t start = at + name.size() + 1;
  return line.substr(start, line.find(' ', start) - start);
}

int PortOf(const std::string& address) {
  int port = 0;
  EPLB_CHECK(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  return port;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ServerUnderLoad::ServerUnderLoad(std::vector<std::string> flags) : flags_(std::move(flags)) { Start("127.0.0.1:0"); }

ServerUnderLoad::~ServerUnderLoad() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  Wait();
}

void ServerUnderLoad::Start(const std::string& listen_address) {
  const std::string ready = directory_.Path("ready");
  const std::string log = directory_.Path("log");
  std::filesystem::remove(ready);
  std::vector<std::string> arguments = {
      ServerBinary(),
      "--grpc.listen_address=" + listen_address,
      "--metrics.listen_address=127.0.0.1:0",
      "--health.listen_address=127.0.0.1:0",
      "--drain.delay=0s",
      "--process.ready_file=" + ready,
  };
  arguments.insert(arguments.end(), flags_.begin(), flags_.end());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_ = ::fork();
  EPLB_CHECK(pid_ >= 0);
  if (pid_ == 0) {  // only calls that are safe after fork
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  while (!std::filesystem::exists(ready)) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      std::fprintf(stderr, "the server did not start:\n%s", testing::ReadFile(log).c_str());
      std::exit(1);
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
  const std::string addresses = testing::ReadFile(ready);
  address_ = LineValue(addresses, "grpc");
  metrics_port_ = PortOf(LineValue(addresses, "metrics"));
}

int ServerUnderLoad::Wait() {
  int status = 0;
  EPLB_CHECK(::waitpid(std::exchange(pid_, -1), &status, 0) > 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ServerUnderLoad::Stop() {
  EPLB_CHECK(::kill(pid_, SIGTERM) == 0);
  return Wait();
}

void ServerUnderLoad::KillAndRestart() {
  EPLB_CHECK(::kill(pid_, SIGKILL) == 0);
  Wait();
  Start(address_);
}

double ServerUnderLoad::CpuSeconds() const {
  std::ifstream file(absl::StrCat("/proc/", pid_, "/stat"));
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;  // proc(5): utime is field 14, stime 15
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double ServerUnderLoad::StatusField(const std::string& name) const {
  std::ifstream file(absl::StrCat("/proc/", pid_, "/status"));
  for (std::string word; file >> word;) {
    double value = 0;
    if (word == name && file >> value) return value;
  }
  return 0;
}

double ServerUnderLoad::Metric(const std::string& name, const std::string& label) const {
  std::istringstream page(testing::HttpGet(metrics_port_, "/metrics").body);
  double sum = 0;
  for (std::string line; std::getline(page, line);) {
    const bool matches = line.starts_with(name + "{") || line.starts_with(name + " ");
    if (matches && line.find(label) != std::string::npos) sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sum;
}

std::map<VersionKey, absl::Time> ServerUnderLoad::PublishTimes() const {
  std::map<VersionKey, absl::Time> times;
  std::ifstream log(directory_.Path("log"));
  for (std::string line; std::getline(log, line);) {
    if (line.find("event=placement_published") == std::string::npos) continue;
    const std::string version = Field(line, "version");
    const std::size_t dot = version.find('.');
    VersionKey key;
    absl::Time time;
    if (absl::SimpleAtoi(version.substr(0, dot), &key.first) &&
        absl::SimpleAtoi(version.substr(dot + 1), &key.second) &&
        absl::ParseTime(absl::RFC3339_full, Field(line, "time"), &time, nullptr)) {
      times[key] = time;
    }
  }
  return times;
}

double OwnCpuSeconds() {
  rusage usage{};
  EPLB_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

std::string Machine() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      return absl::StrCat(std::thread::hardware_concurrency(), " x ", line.substr(line.find(':') + 2));
    }
  }
  return absl::StrCat(std::thread::hardware_concurrency(), " processors");
}

}  // namespace eplb
