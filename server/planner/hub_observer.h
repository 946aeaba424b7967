#ifndef EPLB_SERVER_PLANNER_HUB_OBSERVER_H_
#define EPLB_SERVER_PLANNER_HUB_OBSERVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/balancer/balance_metrics.h"
#include "server/model/topology.h"
#include "server/placement/placement_status.h"
#include "server/placement/rollout.h"
#include "server/planner/deployment_control.h"
#include "server/planner/tick_planner.h"
#include "server/planner/unchanged_reason.h"
#include "server/telemetry/deployment_spec.h"
#include "server/telemetry/liveness.h"
#include "server/telemetry/load_report.h"
#include "server/telemetry/phase.h"

namespace eplb {

// One closed sub-window, measured with the placement in force. Balances are [layers].
struct SubWindowFigures {
  std::optional<Phase> phase = {};                 // unset: all phases combined
  std::vector<LayerBalance> live;                  // with the placement in force
  std::vector<LayerBalance> contiguous;            // with the contiguous placement; empty where only one phase is meant
  std::optional<double> predicted_step_time = {};  // what the newest plan foretold for it; combined only
  absl::Duration length = absl::ZeroDuration();
  int reporting_workers = 0;
};

// What a plan is made for.
enum class PlanUse {
  kGated,   // to be published if the gate lets it pass
  kForced,  // to be published whatever the gate says
  kDryRun,  // to be looked at
};

// What was published.
struct PublishFigures {
  std::int64_t intra_node_fetches = 0;
  std::int64_t inter_node_fetches = 0;  // also from the checkpoint
  std::int64_t fetched_bytes = 0;
  int layers_changed = 0;
  double gain_gpu_seconds = 0;  // as in TickPlan
  double cost_gpu_seconds = 0;  // same
};

// Told of what happens in one deployment; lives as long as it. Thread-safe; may be called with the deployment's lock
// held, so it never blocks and never calls the hub. Default: does nothing.
class DeploymentObserver {
 public:
  virtual ~DeploymentObserver() = default;

  // On the hot path, for every report. lag: from end_time on the worker's clock to now, >= 0; unset: not told.
  virtual void OnReport(ReportOutcome /*outcome*/, std::optional<absl::Duration> /*lag*/) {}
  virtual void OnLostReports(std::int64_t /*count*/) {}
  // Workers by liveness and open watches, whenever one changes.
  virtual void OnWorkers(int /*live*/, int /*expired*/, int /*excluded*/, int /*watchers*/) {}
  // Once for each worker that falls silent (kExpired), is given up (kExcluded), or comes back (kLive).
  virtual void OnLiveness(std::string_view /*worker_id*/, Liveness /*now*/) {}
  virtual void OnSubWindow(const SubWindowFigures& /*figures*/) {}
  // What the newest plan promises: mean balancedness over layers of the placement that it leads to, under the forecast
  // (phase unset), or under one phase's newest loads.
  virtual void OnPredicted(std::optional<Phase> /*phase*/, double /*balancedness*/) {}
  // Each tick that did not plan or publish, with the reason; kNone: it published.
  virtual void OnTick(UnchangedReason /*reason*/) {}
  // Each plan made, or why it failed; wall time that it took. Whether it is published, OnPublish tells.
  virtual void OnPlan(const absl::Status& /*status*/, const TickPlan* /*plan*/, PlanUse /*use*/,
                      absl::Duration /*duration*/) {}
  virtual void OnPublish(PlacementVersion /*version*/, const PublishFigures& /*figures*/) {}
  // Each state that a worker reports; elapsed since the publication.
  virtual void OnAcknowledgement(const PlacementStatus& /*status*/, absl::Duration /*elapsed*/) {}
  // worker_id: who rejected it or did not answer; empty: nobody in particular.
  virtual void OnRollout(PlacementVersion /*version*/, RolloutOutcome /*outcome*/, std::string_view /*worker_id*/,
                         std::string_view /*detail*/, absl::Duration /*elapsed*/) {}
  // Live workers that have not applied the placement in force, whenever that changes: it was sent to them apply_timeout
  // ago or longer, and is sent again.
  virtual void OnBehind(int /*workers*/) {}
  // What operators set.
  virtual void OnControl(const DeploymentControl& /*control*/) {}
};

// Told of what happens in the hub. Thread-safe; never blocks.
class HubObserver {
 public:
  virtual ~HubObserver() = default;

  // A deployment came up; its observer goes when the deployment is forgotten. Never null.
  virtual std::unique_ptr<DeploymentObserver> OnDeployment(const DeploymentSpec& /*spec*/) {
    return std::make_unique<DeploymentObserver>();
  }
  // Deployments known, and those that wait for a planning thread. Called when they change.
  virtual void OnDeployments(int /*count*/) {}
  virtual void OnQueue(int /*waiting*/) {}
  // The interval that workers are asked for changed, by overload or its end.
  virtual void OnReportInterval(absl::Duration /*interval*/) {}
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_HUB_OBSERVER_H_
