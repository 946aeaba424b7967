#ifndef EPLB_CLIENT_EPLBCTL_GATE_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_GATE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <optional>

#include "server/planner/plan_settings.h"

namespace eplb {

// The benefit gate: --no-gate, --horizon, --hysteresis, the bandwidths, --expert-time-ratio and --min-balancedness.
class GateFlags {
 public:
  void AddTo(CLI::App& app);

  // Sets what was given; the rest stays as it is.
  void ApplyTo(PlanSettings& settings) const;

 private:
  bool disabled_ = false;
  std::optional<double> horizon_seconds_;
  std::optional<double> hysteresis_;
  std::optional<double> intra_node_;
  std::optional<double> inter_node_;
  std::optional<double> expert_time_ratio_;
  std::optional<double> min_balancedness_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_GATE_FLAGS_H_
