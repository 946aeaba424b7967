#ifndef EPLB_TESTS_BENCH_FLEET_SERVER_UNDER_LOAD_H_
#define EPLB_TESTS_BENCH_FLEET_SERVER_UNDER_LOAD_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eplb/v1/placement.pb.h"
#include "tests/support/subprocess.h"

namespace eplb {

// Epoch and revision, to order and look up by.
using VersionKey = std::pair<std::int64_t, std::int64_t>;
inline VersionKey KeyOf(const v1::PlacementVersion& version) { return {version.epoch(), version.revision()}; }

// The eplb-server beside this program, as a process of its own on any free loopback port, so that its CPU and memory
// can be told from the load generator's. It is killed at the end of this object's life. Not thread-safe.
class ServerUnderLoad {
 public:
  // Flags come on top of the ports'. Aborts where the server does not start.
  explicit ServerUnderLoad(std::vector<std::string> flags);
  ~ServerUnderLoad();
  ServerUnderLoad(const ServerUnderLoad&) = delete;
  ServerUnderLoad& operator=(const ServerUnderLoad&) = delete;

  const std::string& address() const { return address_; }

  // User and system time so far, of all threads.
  double CpuSeconds() const;
  double ResidentMebibytes() const { return StatusField("VmRSS:") / 1024.0; }
  double PeakResidentMebibytes() const { return StatusField("VmHWM:") / 1024.0; }

  // The sum of a metric over its labels, as a scraper reads it.
  double Metric(const std::string& name, const std::string& label = "") const;
  // When each version was published, by the server's log.
  std::map<VersionKey, absl::Time> PublishTimes() const;

  // SIGKILL, and another server on the same port.
  void KillAndRestart();
  // SIGTERM; the exit code.
  int Stop();

 private:
  void Start(const std::string& listen_address);
  int Wait();
  double StatusField(const std::string& name) const;

  const testing::TemporaryDirectory directory_;
  const std::vector<std::string> flags_;
  pid_t pid_ = -1;
  std::string address_;
  int metrics_port_ = 0;
};

// User and system time of this process so far.
double OwnCpuSeconds();
// The machine's processor, and how many of it.
std::string Machine();

}  // namespace eplb

#endif  // EPLB_TESTS_BENCH_FLEET_SERVER_UNDER_LOAD_H_
