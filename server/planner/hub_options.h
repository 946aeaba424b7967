#ifndef EPLB_SERVER_PLANNER_HUB_OPTIONS_H_
#define EPLB_SERVER_PLANNER_HUB_OPTIONS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "server/planner/plan_settings.h"
#include "server/telemetry/liveness.h"

namespace eplb {

// What an operator may set of the live service. The defaults are those of the configuration.
struct HubOptions {
  // Telemetry.
  absl::Duration report_interval = absl::Seconds(5);       // asked of workers; also the sub-window and the tick
  absl::Duration max_report_interval = absl::Seconds(60);  // reached by doubling under overload
  int history_sub_windows = 32;                            // kept of each deployment and phase, as float
  int warmup_reports = 0;                                  // first reports of a new incarnation that do not count
  LivenessOptions liveness = {};
  absl::Duration deployment_retention = absl::Seconds(600);  // without any worker, then it is forgotten
  absl::Duration bookmark_interval = absl::Seconds(30);      // longest silence of a watch
  // Reports per second over all deployments past which reports are shed and the interval doubles. 0: no limit.
  std::int64_t max_reports_per_second = 0;

  // Bounds; past them RESOURCE_EXHAUSTED.
  int max_deployments = 4096;
  int max_workers = 65536;    // with a session open, over all deployments
  int max_watchers = 131072;  // open, over all deployments
  int max_workers_per_deployment = 16384;
  int max_watchers_per_deployment = 16384;
  int max_page_size = 1000;
  int placement_history = 4;  // versions kept of each deployment for deltas, besides those in use; >= 1

  // Planning.
  int plan_concurrency = 2;  // deployments planned at once by the hub itself, >= 1; the rest of the pool is for calls
  bool automatic = true;     // false: each deployment starts paused
  PlanSettings plan = {};
  // Most that the automatic plans of one deployment fetch within one window, in percent of all slots of all layers.
  // What they do on request, or to empty GPUs, counts but is not held up. 0: no limit but that of each plan.
  double max_fetch_percent = 0;
  absl::Duration fetch_window = absl::Seconds(60);
  absl::Duration apply_timeout = absl::Seconds(60);     // then the next plan goes on without those who did not answer
  absl::Duration prepare_timeout = absl::Seconds(60);   // all-ranks: then the version is aborted
  absl::Duration rejection_backoff = absl::Seconds(5);  // doubles with each rejection in a row
  absl::Duration max_rejection_backoff = absl::Seconds(300);
  std::uint64_t seed = 0;  // of the jitter; each deployment has its own stream of it
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_HUB_OPTIONS_H_
