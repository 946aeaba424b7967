// What a deployment shows of itself, and its control.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/planner/deployment_loop.h"
#include "server/planner/worker_names.h"

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
  summary.awaiting = Awaiting();
  return summary;
}

std::string DeploymentLoop::Awaiting() const {
  std::vector<std::string> named;
  const Rollout* rollout = tracker_.rollout();
  if (rollout != nullptr) {
    named.assign(rollout->waiting().begin(), rollout->waiting().end());
    return absl::StrCat(WorkerNames(named),
                        rollout->stage() == Rollout::Stage::kPreparing ? " to prepare" : " to apply", " version ",
                        rollout->version().ToString());
  }
  const bool all_ranks = spec_->coordination() == CoordinationMode::kAllRanks;
  if (!all_ranks && !SubscribersReady() && registry_.CountOf(Liveness::kLive) > 0) {
    return last_subscriber_.empty()
               ? "a worker to watch placements"
               : absl::StrCat(WorkerNames({last_subscriber_}), ", or another, to watch placements");
  }
  std::vector<std::string> unwatching;
  std::vector<std::string> silent;
  for (const auto& [id, record] : registry_.workers()) {
    const WorkerPlacement* told = tracker_.Find(id);
    const bool live = record.liveness == Liveness::kLive;
    if (live && told != nullptr && tracker_.NeedsContents(id)) named.push_back(id);
    if (live && subscribers_.find(id) == subscribers_.end()) unwatching.push_back(id);
    if (record.liveness == Liveness::kExpired) silent.push_back(id);
  }
  if (!named.empty()) return absl::StrCat(WorkerNames(named), " to tell the placement in force");
  if (all_ranks && !unwatching.empty()) return absl::StrCat(WorkerNames(unwatching), " to watch placements");
  if (all_ranks && !silent.empty()) return absl::StrCat(WorkerNames(silent), ", silent, to report or be excluded");
  return "";
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
                         .watching = subscribers_.find(worker_id) != subscribers_.end(),
                         .user_agent = record.identity.user_agent};
    if (const WorkerPlacement* told = tracker_.Find(worker_id)) {
      worker.applied = told->applied;
      worker.version = told->version;
      worker.state = told->state;
      worker.rejection_reason = told->reason;
      worker.error_detail = told->detail;
      worker.fetched_bytes = told->fetched_bytes;
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

void DeploymentLoop::SetControl(const DeploymentControl& control, Calls& calls) {
  const bool same_gpus =
      control.excluded_gpus == control_->excluded_gpus && control.draining_gpus == control_->draining_gpus;
  control_ = std::make_shared<const DeploymentControl>(control);
  ++generation_;
  replan_ |= !same_gpus;
  if (!same_gpus) ForgetInfeasible();
  observer_->OnControl(control);
  TellAllSessions(calls);
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
    operator_spoke_ = true;
    SetControl(changed, calls);
  }
  for (const auto& call : calls) call();
  RunSoon();
  return changed;
}

}  // namespace eplb
