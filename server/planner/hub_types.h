#ifndef EPLB_SERVER_PLANNER_HUB_TYPES_H_
#define EPLB_SERVER_PLANNER_HUB_TYPES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/model/placement_version.h"
#include "server/placement/placement_status.h"
#include "server/placement/versioned_placement.h"
#include "server/planner/deployment_control.h"
#include "server/planner/plan_settings.h"
#include "server/planner/tick_planner.h"
#include "server/planner/unchanged_reason.h"
#include "server/telemetry/deployment_spec.h"
#include "server/telemetry/liveness.h"
#include "server/telemetry/load_report.h"

namespace eplb {

// What the transport hands to the Hub and gets from it; no transport types.

// Opens a telemetry session, or answers need_full_hello.
struct WorkerHello {
  DeploymentSpec spec;
  PlanOverrides options = {};             // part of the spec as far as agreement goes
  std::string worker_id = {};             // as ValidateWorkerName
  std::string incarnation = {};           // as ValidateWorkerName; differs at each start of the worker's process
  int first_rank = 0;                     //
  int num_ranks = 0;                      // >= 1
  PlacementVersion applied = {};          // in force; unset: the layout that the engine started with
  std::optional<Placement> current = {};  // the placement in force, unset where the hello left it out
  std::shared_ptr<const std::vector<double>> slot_shares = {};  // of `current`, as in VersionedPlacement
  std::optional<DeploymentControl> control = {};                // newest that the service told this worker of
  std::string user_agent = {};
};

// What a worker is to be told now. Always the whole state: a transport that was slow has missed nothing.
struct WorkerDirectives {
  absl::Duration report_interval = absl::ZeroDuration();
  std::uint64_t acked_sequence = 0;
  bool need_full_hello = false;                           // the placement in force is not known: hello with `current`
  std::optional<std::uint64_t> dropped_reports = {};      // set while overloaded: dropped since the session opened
  bool draining = false;                                  // the server is about to stop
  absl::Duration reconnect_delay = absl::ZeroDuration();  // with draining: to wait after the end, with jitter
  std::shared_ptr<const DeploymentControl> control =
      nullptr;  // never null; tell it where it differs from what was told
};

// The answer to one report.
struct ReportResult {
  ReportOutcome outcome = ReportOutcome::kFolded;
  std::uint64_t acked_sequence = 0;  // highest up to which no report need be sent again
};

// Opens a watch.
struct WatchRequest {
  std::string deployment;
  std::string worker_id = {};          // empty: an onlooker, for whom nobody waits
  std::string incarnation = {};        // empty only where worker_id is
  PlacementVersion resume_after = {};  // the version in force at the watcher; unset: start with a full placement
};

// One deployment, in short; times are wall time.
struct DeploymentSummary {
  std::string name;
  std::shared_ptr<const DeploymentControl> control;  // never null
  PlacementVersion version = {};                     // newest published or told of; unset: none
  int live_workers = 0;
  int missing_ranks = 0;            // that no live worker reports for
  int applied_workers = 0;          // that have `version` in force
  double live_balancedness = 0;     // mean over layers, newest sub-window, placement in force; 0: no loads yet
  double live_step_time = 0;        // same
  double contiguous_step_time = 0;  // same loads, contiguous placement
  double predicted_step_time = 0;   // by the newest plan; 0: none
  std::optional<absl::Time> last_plan_time = {};
  UnchangedReason unchanged_reason = UnchangedReason::kNone;  // of the newest tick
  std::string last_error = {};  // why the newest plan failed or was rejected, for people; empty: it was not
  std::string awaiting = {};    // what planning waits for, with the workers' names, for people; empty: for nothing
  std::optional<absl::Time> last_report_time = {};
  std::int64_t fetches = 0;        // published since this process took the deployment over
  std::int64_t fetched_bytes = 0;  // same
};

// One worker of a deployment.
struct WorkerSummary {
  std::string worker_id;
  std::string incarnation;
  int first_rank = 0;
  int num_ranks = 0;
  Liveness liveness = Liveness::kLive;
  bool watching = false;
  PlacementVersion applied = {};  // in force; unset: its initial layout, or not known
  PlacementVersion version = {};  // newest that it reported on
  PlacementState state = PlacementState::kUnknown;
  RejectionReason rejection_reason = RejectionReason::kUnspecified;
  std::string error_detail = {};
  std::optional<absl::Time> last_report_time = {};
  std::uint64_t reports = 0;       // folded
  std::uint64_t lost_reports = 0;  // by gaps in sequence
  std::string user_agent = {};
  std::int64_t fetched_bytes = 0;  // that it told of, for `version`
};

// One deployment as it stands.
struct DeploymentView {
  std::shared_ptr<const DeploymentSpec> spec;  // never null
  PlanOverrides options = {};
  VersionedPlacement placement = {};  // newest published, or in force where nothing waits
  VersionedPlacement in_force = {};
  std::vector<WorkerSummary> workers = {};  // by first_rank, then worker_id
  DeploymentSummary summary = {};
};

// One page of deployments.
struct ListRequest {
  int page_size = 0;            // 0: the most; more is cut to it; negative is INVALID_ARGUMENT
  std::string page_token = {};  // from the page before; empty: the first
  std::string name_prefix = {};
  std::function<bool(std::string_view name)> visible = nullptr;  // null: all
};
struct ListPage {
  std::vector<DeploymentSummary> deployments = {};  // by name
  std::string next_page_token = {};                 // empty: the last page
};

// A plan from the live window.
struct RebalanceNowRequest {
  std::string deployment;
  PlanOverrides options = {};  // laid over the deployment's own
  std::optional<PlacementConstraints> constraints = {};
  std::vector<int> excluded_gpus = {};  // for this plan only
  std::vector<int> draining_gpus = {};  // same
  bool validate_only = false;           // plan, publish nothing
  bool force = false;                   // publish although the gate, the pause or a wait for workers says no
  // Gives the plan up where it says so, and publishes nothing then: RebalanceNow is CANCELLED. May be called by any
  // thread until RebalanceNow returns. Null: it never does.
  std::function<bool()> stop = nullptr;
};
struct RebalanceNowResult {
  std::shared_ptr<const DeploymentSpec> spec;
  std::shared_ptr<const Topology> topology;  // with what was excluded
  VersionedPlacement base;                   // what was planned from
  TickPlan plan;
  PlacementVersion version = {};  // unset: not published, see plan.unchanged
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_HUB_TYPES_H_
