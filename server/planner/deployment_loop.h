#ifndef EPLB_SERVER_PLANNER_DEPLOYMENT_LOOP_H_
#define EPLB_SERVER_PLANNER_DEPLOYMENT_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/placement/placement_store.h"
#include "server/placement/placement_tracker.h"
#include "server/planner/backoff.h"
#include "server/planner/fetch_pacer.h"
#include "server/planner/hub.h"
#include "server/planner/load_shedder.h"
#include "server/planner/scheduler.h"
#include "server/telemetry/expert_fold.h"
#include "server/telemetry/load_history.h"
#include "server/telemetry/worker_fold.h"
#include "server/telemetry/worker_registry.h"

namespace eplb {

class DeploymentLoop;

// What all deployments of a hub share. Nothing is owned; all of it outlives the deployments.
struct HubParts {
  const HubOptions* options = nullptr;
  const Clock* clock = nullptr;
  const TickPlanner* planner = nullptr;
  PlacementStore* store = nullptr;
  LoadShedder* shedder = nullptr;
  Scheduler* scheduler = nullptr;
  HubObserver* observer = nullptr;
  // Copies that lead from one placement of a deployment to another; null: what was missed comes as a full placement.
  std::function<std::shared_ptr<const std::vector<Transfer>>(const DeploymentSpec& spec, const VersionedPlacement& from,
                                                             const VersionedPlacement& to)>
      plan_transfers = nullptr;
  // No worker of it was live for the retention.
  std::function<void(const std::shared_ptr<DeploymentLoop>& loop)> on_forgotten;
};

// One telemetry session, as its deployment and its transport share it. The loop ends it; it never comes back.
struct SessionState {
  std::string worker_id;
  std::string incarnation;
  std::shared_ptr<WorkerFold> fold;
  std::shared_ptr<TelemetryListener> listener;
  std::atomic<bool> ended{false};
  std::atomic<bool> need_full_hello{false};
};

// One watch, as its deployment and its transport share it.
struct WatchState {
  std::uint64_t number = 0;  // counts up in the order of opening
  std::string worker_id;     // empty: an onlooker
  std::shared_ptr<WatchListener> listener;
  WatchCursor cursor;  // guarded by the deployment's lock
  bool ended = false;  // same
  bool bookmark_due = false;
  bool draining_due = false;
};

// One live deployment: everything that the service knows of it, and the loop that plans it. Thread-safe: one lock,
// which reports do not take, and which is not held while planning or while listeners are called.
//
// RunOnce: sub-window -> forecast and plan (TickPlanner) -> publish -> wait for APPLIED or REJECTED -> next.
class DeploymentLoop final : public Scheduled, public std::enable_shared_from_this<DeploymentLoop> {
 public:
  // As the first hello states it; it is then taken in by Hello like every other.
  static std::shared_ptr<DeploymentLoop> Create(const HubParts& parts, const WorkerHello& first);

  const std::string& name() const { return spec_->name(); }
  const std::shared_ptr<const DeploymentSpec>& spec() const { return spec_; }

  // What became of a hello. restate: the deployment is stated otherwise than before and nobody runs the former any
  // more: the caller makes a new one.
  struct HelloResult {
    bool restate = false;
    std::shared_ptr<SessionState> session;
  };
  // session: the one that says a further hello, null to open one. UNAVAILABLE once it has retired.
  absl::StatusOr<HelloResult> Hello(const WorkerHello& hello, std::shared_ptr<TelemetryListener> listener,
                                    const std::shared_ptr<SessionState>& session) EPLB_EXCLUDES(mutex_);
  absl::StatusOr<ReportResult> Report(SessionState& session, const LoadReportView& report) EPLB_EXCLUDES(mutex_);
  WorkerDirectives Directives(const SessionState& session) const EPLB_EXCLUDES(mutex_);
  void CloseSession(const std::shared_ptr<SessionState>& session, bool departed) EPLB_EXCLUDES(mutex_);

  absl::StatusOr<std::shared_ptr<WatchState>> OpenWatch(const WatchRequest& request,
                                                        std::shared_ptr<WatchListener> listener) EPLB_EXCLUDES(mutex_);
  std::optional<WatchEvent> NextEvent(WatchState& watch) EPLB_EXCLUDES(mutex_);
  void CloseWatch(const std::shared_ptr<WatchState>& watch) EPLB_EXCLUDES(mutex_);

  absl::Status ReportStatus(const PlacementStatus& status) EPLB_EXCLUDES(mutex_);
  DeploymentView View() const EPLB_EXCLUDES(mutex_);
  DeploymentSummary Summary() const EPLB_EXCLUDES(mutex_);
  absl::StatusOr<DeploymentControl> Update(const ControlChange& change, bool validate_only) EPLB_EXCLUDES(mutex_);
  absl::StatusOr<RebalanceNowResult> RebalanceNow(const RebalanceNowRequest& request) EPLB_EXCLUDES(mutex_);

  // Scheduled. What is due: expiries, timeouts, bookmarks, and at each tick a plan.
  absl::Duration RunOnce(absl::Duration now) override EPLB_EXCLUDES(mutex_);
  // When a deployment may go: in any case, where no worker was live for the retention, or where nobody uses it.
  enum class Condition { kAlways, kForgotten, kUnused };
  // Ends all sessions and watches, and takes no hello any more; false where the condition does not hold.
  bool Retire(Condition condition, const absl::Status& status) EPLB_EXCLUDES(mutex_);
  // Publishes nothing more, and tells everyone to go elsewhere.
  void Drain(absl::Duration reconnect_delay) EPLB_EXCLUDES(mutex_);

 private:
  // Calls to listeners and observers that are made once the lock is free.
  using Calls = std::vector<std::function<void()>>;
  // What a plan is made from, and what must not have changed until it is published.
  struct PlanJob {
    std::shared_ptr<const Topology> topology;  // with all that is excluded
    std::vector<int> unusable_gpus;            // rising
    std::vector<LoadMatrix> history;
    std::array<std::optional<LoadMatrix>, kNumPhases> phases;  // newest of each
    std::optional<double> expert_time_ratio;
    VersionedPlacement base;
    PlacementConstraints constraints;
    PlanSettings settings;
    std::optional<FetchAllowance> allowance;  // where fetches are paced
    bool force = false;                       // the gate does not count
    bool evacuates = false;                   // as in TickInput
    bool publish = true;
    bool for_people = false;     // as in TickInput
    std::function<bool()> stop;  // same
    std::uint64_t generation = 0;
  };
  // Measured figures of one sub-window are made without the lock.
  struct MeasureJob {
    std::shared_ptr<const Topology> topology;
    VersionedPlacement placement;
    LoadMatrix combined;
    std::array<std::optional<LoadMatrix>, kNumPhases> phases;
    std::optional<double> predicted_step_time;
    absl::Duration length;
    int reporting_workers = 0;
  };

  DeploymentLoop(const HubParts& parts, const WorkerHello& first, absl::Duration now);

  // deployment_hello.cc
  absl::Status CheckHello(const WorkerHello& hello) const EPLB_REQUIRES(mutex_);
  absl::Status CheckFurtherHello(const WorkerHello& hello, const SessionState& session) const EPLB_REQUIRES(mutex_);
  std::string DifferenceFrom(const WorkerHello& hello) const;
  bool AnyOtherLive(std::string_view worker_id) const EPLB_REQUIRES(mutex_);
  absl::StatusOr<WorkerFold::Result> FoldUnderOtherPlacement(SessionState& session, const LoadReportView& report,
                                                             PlacementVersion version, absl::Duration now)
      EPLB_EXCLUDES(mutex_);
  void TakeHello(const WorkerHello& hello, Calls& calls) EPLB_REQUIRES(mutex_);
  void TakeControl(const WorkerHello& hello, absl::Duration now, Calls& calls) EPLB_REQUIRES(mutex_);
  std::shared_ptr<SessionState> OpenSession(const WorkerHello& hello, std::shared_ptr<TelemetryListener> listener,
                                            Calls& calls) EPLB_REQUIRES(mutex_);
  void UpdateFold(const WorkerHello& hello, bool same_incarnation) EPLB_REQUIRES(mutex_);
  void EndSession(const std::string& worker_id, const absl::Status& status, Calls& calls) EPLB_REQUIRES(mutex_);
  void ForgetWorker(const std::string& worker_id, Calls& calls) EPLB_REQUIRES(mutex_);
  void TellSession(SessionState& session, Calls& calls) const;
  void TellAllSessions(Calls& calls) EPLB_REQUIRES(mutex_);

  // deployment_watch.cc
  absl::Status CheckWatch(const WatchRequest& request) const EPLB_REQUIRES(mutex_);
  void EndWatch(const std::shared_ptr<WatchState>& watch, const absl::Status& status, Calls& calls)
      EPLB_REQUIRES(mutex_);
  void ForgetWatch(const WatchState& watch) EPLB_REQUIRES(mutex_);
  void EndFormerSubscribers(const WatchRequest& request, Calls& calls) EPLB_REQUIRES(mutex_);
  // Notes what became of rollouts, and tells watchers where there is news.
  void Settle(absl::Duration now, Calls& calls) EPLB_REQUIRES(mutex_);
  void TakeEndedRollout(const Rollout& rollout, absl::Duration now) EPLB_REQUIRES(mutex_);
  void NoteBehind() EPLB_REQUIRES(mutex_);
  void TellAllWatches(Calls& calls) EPLB_REQUIRES(mutex_);
  void UpdateAppliedVersions() EPLB_REQUIRES(mutex_);

  // deployment_loop.cc
  void RefreshLiveness() EPLB_REQUIRES(mutex_);
  void AdvanceLiveness(absl::Duration now, Calls& calls) EPLB_REQUIRES(mutex_);
  void TellWorkerCounts() EPLB_REQUIRES(mutex_);
  void FollowInterval(absl::Duration now, Calls& calls) EPLB_REQUIRES(mutex_);
  void SendBookmarks(absl::Duration now, Calls& calls) EPLB_REQUIRES(mutex_);
  void ArmTick(absl::Duration now) EPLB_EXCLUDES(mutex_);
  void RunSoon() const;
  absl::Duration NextDue(absl::Duration now) const EPLB_REQUIRES(mutex_);
  // When a shorter interval counts for liveness too; InfiniteDuration: it does.
  absl::Duration ShorterFollowedAt() const EPLB_REQUIRES(mutex_);
  std::optional<MeasureJob> CloseSubWindow(absl::Duration now) EPLB_REQUIRES(mutex_);
  // Every live worker has reported at least once, and every rank is claimed or planned around.
  bool AllHaveTold() const EPLB_REQUIRES(mutex_);
  void Measure(const MeasureJob& job) EPLB_EXCLUDES(mutex_);

  bool Forgotten(absl::Duration now) const EPLB_REQUIRES(mutex_);

  // deployment_plan.cc
  std::optional<PlanJob> PrepareTick(absl::Duration now) EPLB_REQUIRES(mutex_);
  void Pace(absl::Duration now, PlanJob& job) EPLB_REQUIRES(mutex_);
  UnchangedReason WhyNotPlan(absl::Duration now, bool force) const EPLB_REQUIRES(mutex_);
  bool SubscribersReady() const EPLB_REQUIRES(mutex_);
  std::set<std::string, std::less<>> RequiredWorkers() const EPLB_REQUIRES(mutex_);
  // FAILED_PRECONDITION where the GPUs that are left under this control cannot hold what the rules ask for.
  absl::Status CheckPlaceable(const DeploymentControl& control) const EPLB_REQUIRES(mutex_);
  absl::StatusOr<PlanJob> PreparePlan(const RebalanceNowRequest& request) const EPLB_REQUIRES(mutex_);
  absl::StatusOr<TickPlan> Plan(const PlanJob& job) EPLB_EXCLUDES(mutex_);
  void TellPredicted(const PlanJob& job, const TickPlan& plan) const EPLB_EXCLUDES(mutex_);
  bool StillValid(const PlanJob& job) const EPLB_REQUIRES(mutex_);
  PlacementVersion Publish(const PlanJob& job, const TickPlan& plan, absl::Duration now, Calls& calls)
      EPLB_REQUIRES(mutex_);
  void NotePlan(const absl::StatusOr<TickPlan>& plan) EPLB_REQUIRES(mutex_);
  void PlanTick(const PlanJob& job, absl::Duration now) EPLB_EXCLUDES(mutex_);
  void NoteFailure(const absl::Status& status, absl::Duration now) EPLB_REQUIRES(mutex_);
  // The usable GPUs are others now: what could not be planned may be possible.
  void ForgetInfeasible() EPLB_REQUIRES(mutex_);
  // Puts a control in force; the rest is the caller's.
  void SetControl(const DeploymentControl& control, Calls& calls) EPLB_REQUIRES(mutex_);
  void NoteTick(UnchangedReason reason) EPLB_REQUIRES(mutex_);

  DeploymentSummary SummaryLocked() const EPLB_REQUIRES(mutex_);
  // What planning waits for, for people.
  std::string Awaiting() const EPLB_REQUIRES(mutex_);
  absl::Time WallTime(absl::Duration monotonic) const;

  const HubParts parts_;
  const std::shared_ptr<const DeploymentSpec> spec_;
  const PlanOverrides overrides_;
  const Placement contiguous_;
  const absl::Duration made_at_;  // monotonic
  std::int64_t schedule_id_ = 0;  // set once, by Create
  std::unique_ptr<DeploymentObserver> observer_;
  ExpertFold experts_;
  std::atomic<bool> tick_armed_{false};
  std::atomic<bool> reported_{false};  // since the sub-window was opened

  mutable Mutex mutex_;
  WorkerRegistry registry_ EPLB_GUARDED_BY(mutex_);
  PlacementTracker tracker_ EPLB_GUARDED_BY(mutex_);
  LoadHistory history_ EPLB_GUARDED_BY(mutex_);
  Backoff backoff_ EPLB_GUARDED_BY(mutex_);
  std::optional<FetchPacer> pacer_ EPLB_GUARDED_BY(mutex_);
  absl::Duration fetch_window_end_ EPLB_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  std::shared_ptr<const DeploymentControl> control_ EPLB_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<WorkerFold>, std::less<>> folds_ EPLB_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<SessionState>, std::less<>> sessions_ EPLB_GUARDED_BY(mutex_);
  std::map<std::uint64_t, std::shared_ptr<WatchState>> watches_ EPLB_GUARDED_BY(mutex_);  // by number
  // Those of workers: at most one of each, and where one subscriber carries the placements, one.
  std::map<std::string, std::shared_ptr<WatchState>, std::less<>> subscribers_ EPLB_GUARDED_BY(mutex_);
  std::uint64_t watches_opened_ EPLB_GUARDED_BY(mutex_) = 0;
  std::string last_subscriber_ EPLB_GUARDED_BY(mutex_);
  int behind_told_ EPLB_GUARDED_BY(mutex_) = 0;
  std::string behind_error_ EPLB_GUARDED_BY(mutex_);      // the newest about workers that are behind
  bool operator_spoke_ EPLB_GUARDED_BY(mutex_) = false;   // control_ is not from hellos
  std::uint64_t generation_ EPLB_GUARDED_BY(mutex_) = 0;  // counts what makes a plan out of date
  absl::Duration tick_due_ EPLB_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  absl::Duration bookmark_due_ EPLB_GUARDED_BY(mutex_);
  absl::Duration interval_told_ EPLB_GUARDED_BY(mutex_);      // what workers were asked for last
  absl::Duration liveness_interval_ EPLB_GUARDED_BY(mutex_);  // what silence is measured by
  absl::Duration shorter_since_ EPLB_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  absl::Duration empty_since_ EPLB_GUARDED_BY(mutex_);  // no live worker; InfiniteDuration: there is one
  absl::Duration drain_delay_ EPLB_GUARDED_BY(mutex_) = absl::ZeroDuration();
  bool replan_ EPLB_GUARDED_BY(mutex_) = false;  // control or exclusions changed: plan without waiting for a tick
  bool draining_ EPLB_GUARDED_BY(mutex_) = false;
  bool retired_ EPLB_GUARDED_BY(mutex_) = false;
  int incomplete_ EPLB_GUARDED_BY(mutex_) = 0;         // first sub-windows that were dropped
  bool plan_failed_ EPLB_GUARDED_BY(mutex_) = false;   // figures_.last_error is of the newest plan
  bool infeasible_ EPLB_GUARDED_BY(mutex_) = false;    // for want of slots
  bool only_warmup_ EPLB_GUARDED_BY(mutex_) = true;    // no sub-window yet
  DeploymentSummary figures_ EPLB_GUARDED_BY(mutex_);  // the measured part of the summary
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_DEPLOYMENT_LOOP_H_
