// What a deployment shows of itself, and its control.
#include <algorithm>
#include <utility>

#include "server/base/status_macros.h"
#include "server/planner/deployment_loop.h"

namespace eplb {

absl::Time DeploymentLoop::WallTime(absl::Duration monotonic) const {
  return parts_.clock->Now() - (parts_.clock->Monotonic() - monotonic);
}

DeploymentSummary DeploymentLoop::Summary() const {
  MutexLock lock(mutex_);
  return SummaryLocked();
}

DeploymentSummary DeploymentLoop::SummaryLocked() const {
  DeploymentSummary summary = figures_;
  summary.name = name();
  summary.control = control_;
  if (tracker_.rollout() != nullptr) {
    summary.version = tracker_.rollout()->version();
  } else if (tracker_.in_force() != nullptr) {
    summary.version = tracker_.in_force()->version;
  }
  summary.live_workers = registry_.CountOf(Liveness::kLive);
  summary.missing_ranks = spec_->topology().num_gpus();
  for (const auto& [worker_id, record] : registry_.workers()) {
    if (record.liveness == Liveness::kLive) summary.missing_ranks -= record.identity.num_ranks;
  }
  summary.applied_workers = tracker_.CountApplied(summary.version);
  std::optional<absl::Duration> last_report;
  for (const auto& [worker_id, fold] : folds_) last_report = std::max(last_report, fold->counters().last_report);
  if (last_report) summary.last_report_time = WallTime(*last_report);
  return summary;
}

DeploymentView DeploymentLoop::View() const {
  MutexLock lock(mutex_);
  DeploymentView view{.spec = spec_, .options = overrides_};
  if (tracker_.in_force() != nullptr) view.in_force = *tracker_.in_force();
  view.placement = tracker_.rollout() != nullptr ? tracker_.rollout()->target() : view.in_force;
  for (const auto& [worker_id, record] : registry_.workers()) {
    WorkerSummary worker{.worker_id = worker_id,
                         .incarnation = record.identity.incarnation,
                         .first_rank = record.identity.first_rank,
                         .num_ranks = record.identity.num_ranks,
                         .liveness = record.liveness,
                         .watching = WatchOf(worker_id) != nullptr};
    if (const WorkerPlacement* told = tracker_.Find(worker_id)) {
      worker.applied = told->applied;
      worker.version = told->version;
      worker.state = told->state;
      worker.rejection_reason = told->reason;
      worker.error_detail = told->detail;
    }
    if (const auto fold = folds_.find(worker_id); fold != folds_.end()) {
      const WorkerFold::Counters counters = fold->second->counters();
      if (counters.last_report) worker.last_report_time = WallTime(*counters.last_report);
      worker.reports = counters.folded;
      worker.lost_reports = counters.lost;
    }
    view.workers.push_back(std::move(worker));
  }
  std::stable_sort(view.workers.begin(), view.workers.end(),
                   [](const WorkerSummary& a, const WorkerSummary& b) { return a.first_rank < b.first_rank; });
  view.summary = SummaryLocked();
  return view;
}

absl::StatusOr<DeploymentControl> DeploymentLoop::Update(const ControlChange& change, bool validate_only) {
  Calls calls;
  DeploymentControl changed;
  {
    MutexLock lock(mutex_);
    if (retired_) return absl::NotFoundError("the deployment is not known");
    EPLB_ASSIGN_OR_RETURN(changed,
                          ApplyControlChange(*control_, change, spec_->topology().num_gpus(), parts_.clock->Now()));
    const bool takes_away = !change.exclude_gpus.empty() || !change.drain_gpus.empty();
    if (takes_away) EPLB_RETURN_IF_ERROR(CheckPlaceable(changed));
    if (validate_only) return changed;
    const bool same_gpus =
        changed.excluded_gpus == control_->excluded_gpus && changed.draining_gpus == control_->draining_gpus;
    control_ = std::make_shared<const DeploymentControl>(changed);
    ++generation_;
    replan_ |= !same_gpus;
    if (!same_gpus) ForgetInfeasible();
    observer_->OnControl(changed);
    TellAllSessions(calls);
  }
  for (const auto& call : calls) call();
  RunSoon();
  return changed;
}

}  // namespace eplb
