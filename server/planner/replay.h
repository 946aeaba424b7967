#ifndef EPLB_SERVER_PLANNER_REPLAY_H_
#define EPLB_SERVER_PLANNER_REPLAY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/model/constraints.h"
#include "server/model/load_matrix.h"
#include "server/model/topology.h"
#include "server/planner/plan_settings.h"
#include "server/planner/tick_planner.h"

namespace eplb {

enum class ReplayEvery { kSubWindow, kWindow };

struct ReplayOptions {
  int sub_windows_per_window = 1;
  ReplayEvery every = ReplayEvery::kSubWindow;  // when to plan
  // The budget is that of each plan. The reference policies know neither budget nor gate.
  PlanSettings settings = {};
  // Of all slots of all layers, what may be fetched in one window; unset, as for the reference policies: no limit. A
  // FetchPacer spreads it over the window's plans.
  std::optional<double> max_fetch_percent = {};
  PlacementConstraints constraints = {};
  // What the planner remembers; the reference policies know only the window that has passed, as in the engines.
  int history_sub_windows = 32;
};

struct ReplayResult {
  double step_time = 1;       // over all scored sub-windows: sum of the largest GPU loads / sum of the means
  double balancedness = 1;    // mean over scored sub-windows and layers
  double fetch_percent = 0;   // fetches per window, % of all slots of all layers
  double plan_ms_median = 0;  // of the plans that were counted
  int plans = 0;              // counted: those after the first
  int windows = 0;            // of the series
  int plans_skipped = 0;      // that published nothing
  std::int64_t fetches = 0;   // all that were counted
  // Would have gained, but less than they cost. What a layer is refused plan after plan counts once: without the gate
  // it would have been fetched once. So only what goes beyond the refusals of the plan before counts.
  std::int64_t fetches_refused = 0;
  double gain_gpu_seconds = 0;            // predicted, of all plans that were published
  double cost_gpu_seconds = 0;            // of their transfers
  double saved_gpu_seconds = 0;           // cost of fetches_refused
  std::vector<double> step_times = {};    // of each scored sub-window
  std::vector<int> fetches_by_tick = {};  // after each scored sub-window
};

// Feeds a recorded series through the planner that serves live deployments, and scores what it would have done:
//   * it starts from the contiguous layout;
//   * the first plan, at the end of the first window, is free: no budget, no gate, not counted;
//   * every sub-window from the second window on is scored with the placement that is then in force, and with its
//     traffic shares where settings.traffic_shares asks for some;
//   * a plan is made at the end of each sub-window (or window) and is in force from the next one on;
//   * fetches are counted from then on, over all windows but the first.
//
// series: sub-windows, oldest first, whole windows of them, at least two windows. clock: for plan_ms_median only.
// INVALID_ARGUMENT for a series or options that do not fit; errors of the planner as they are.
absl::StatusOr<ReplayResult> Replay(std::span<const LoadMatrix> series, const Topology& topology,
                                    const ReplayOptions& options, const TickPlanner& planner, const Clock& clock);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_REPLAY_H_
