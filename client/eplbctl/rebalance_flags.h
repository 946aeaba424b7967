#ifndef EPLB_CLIENT_EPLBCTL_REBALANCE_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_REBALANCE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "client/eplbctl/fleet_flags.h"
#include "client/eplbctl/gate_flags.h"
#include "client/eplbctl/load_flags.h"
#include "client/eplbctl/plan_flags.h"
#include "client/eplbctl/rebalance_result.h"
#include "client/eplbctl/server_flags.h"
#include "client/eplbctl/thread_flags.h"

namespace eplb {

// Everything that one plan is made from, and where: the flags of `rebalance`, and of `report`.
class RebalanceFlags {
 public:
  void AddTo(CLI::App& app);

  // Reads all files. Errors name the flag or the file.
  absl::StatusOr<RebalanceTask> Read() const;
  // Plans here or on the server, as the flags say.
  absl::StatusOr<RebalanceResult> Plan(const RebalanceTask& task) const;

  const PlanFlags& plan() const { return plan_; }
  const ThreadFlags& threads() const { return threads_; }

 private:
  absl::StatusOr<Placement> ReadBefore(const LoadSelection& selection, const Topology& topology) const;

  LoadFlags loads_;
  FleetFlags fleet_;
  PlanFlags plan_;
  std::string current_;
  GateFlags gate_;
  bool local_ = false;
  ServerFlags server_;
  ThreadFlags threads_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REBALANCE_FLAGS_H_
