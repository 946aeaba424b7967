#ifndef EPLB_CLIENT_EPLBCTL_GATE_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_GATE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <vector>

#include "server/planner/plan_settings.h"

namespace eplb {

// The benefit gate: --gate or --no-gate, --horizon, --hysteresis, the bandwidths, --expert-time-ratio and
// --min-balancedness.
class GateFlags {
 public:
  // Where there is a gate unless --no-gate is given.
  void AddTo(CLI::App& app);
  // Where there is none unless --gate is given, which the other flags and --current need.
  void AddOptionalTo(CLI::App& app);

  // What was given; the rest is unset.
  PlanOverrides Overrides() const;
  // Unset where AddOptionalTo's --gate was not given.
  std::optional<PlanOverrides> Requested() const;

 private:
  std::vector<CLI::Option*> AddMeasuresTo(CLI::App& app);

  bool requested_ = false;
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
