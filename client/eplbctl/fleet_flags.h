#ifndef EPLB_CLIENT_EPLBCTL_FLEET_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_FLEET_FLAGS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/topology.h"

namespace eplb {

// --slots, --gpus, --nodes, --groups, --exclude-gpus, --drain-gpus and --topology: the hardware that a layout is for.
class FleetFlags {
 public:
  void AddTo(CLI::App& app);

  // What the flags say, laid over what the topology file says. INVALID_ARGUMENT names the flag or the file.
  absl::StatusOr<TopologyOptions> Options() const;
  // The same, checked.
  absl::StatusOr<Topology> Read() const;

 private:
  std::string path_;
  int slots_ = 0;
  int gpus_ = 0;
  int nodes_ = 0;   // 0: not given
  int groups_ = 0;  // 0: not given
  std::vector<int> excluded_;
  std::vector<int> draining_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_FLEET_FLAGS_H_
