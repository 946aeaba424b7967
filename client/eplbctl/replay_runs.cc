#include "client/eplbctl/replay_runs.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"
#include "server/planner/adaptive_tick_planner.h"

namespace eplb {
namespace {

// All sub-windows, oldest first.
absl::StatusOr<std::vector<LoadMatrix>> SubWindows(const LoadSeries& series) {
  std::vector<LoadMatrix> sub_windows;
  for (std::int64_t window = 0; window < series.shape().windows; ++window) {
    for (std::int64_t i = 0; i < series.shape().sub_windows; ++i) {
      EPLB_ASSIGN_OR_RETURN(LoadMatrix loads, series.SubWindow(window, i));
      sub_windows.push_back(std::move(loads));
    }
  }
  return sub_windows;
}

struct NamedOptions {
  std::string name;
  ReplayOptions options;
};

std::string NameOf(const ReplayOptions& options) {
  return absl::StrCat(std::string(PolicyName(options.settings.policy)),
                      options.every == ReplayEvery::kWindow ? ", every window" : ", every sub-window",
                      options.settings.traffic_shares ? ", traffic shares" : "");
}

std::vector<NamedOptions> Peers(const ReplayOptions& ours) {
  ReplayOptions engines = ours;
  engines.settings.traffic_shares = false;
  engines.settings.policy = Policy::kGlobal;
  engines.every = ReplayEvery::kWindow;
  engines.settings.work_limit = 0;
  engines.constraints = {};  // which the published algorithm does not know
  engines.max_fetch_percent = std::nullopt;
  ReplayOptions once = ours;
  once.settings.traffic_shares = false;
  once.settings.policy = Policy::kOptimized;
  once.settings.budget = {.per_layer = 0};
  return {{"published algorithm, every window", engines}, {"one plan, then none", once}};
}

}  // namespace

absl::StatusOr<std::vector<NamedReplay>> RunReplays(const LoadSeries& series, const Topology& topology,
                                                    const ReplayOptions& options, bool compare,
                                                    const ParallelFor& parallel) {
  EPLB_ASSIGN_OR_RETURN(const std::vector<LoadMatrix> sub_windows, SubWindows(series));
  const AdaptiveTickPlanner planner(parallel);
  std::vector<NamedOptions> runs = {{NameOf(options), options}};
  if (compare) {
    for (NamedOptions& peer : Peers(options)) runs.push_back(std::move(peer));
  }
  std::vector<NamedReplay> replays;
  for (const NamedOptions& run : runs) {
    EPLB_ASSIGN_OR_RETURN(ReplayResult result, Replay(sub_windows, topology, run.options, planner, RealClock()));
    replays.push_back({.name = run.name, .result = std::move(result)});
  }
  return replays;
}

}  // namespace eplb
