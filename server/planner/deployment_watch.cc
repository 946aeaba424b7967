// Watches of a deployment, and what its workers report of versions.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/planner/deployment_loop.h"
#include "server/planner/worker_names.h"

namespace eplb {

absl::Status DeploymentLoop::CheckWatch(const WatchRequest& request) const {
  EPLB_RETURN_IF_ERROR(tracker_.CheckVersion(request.resume_after));
  if (!request.worker_id.empty()) {
    const WorkerRecord* record = registry_.Find(request.worker_id);
    if (record == nullptr) {
      return absl::NotFoundError(absl::StrCat("worker '", QuoteForError(request.worker_id), "' has not said hello"));
    }
    if (record->identity.incarnation != request.incarnation) {
      return absl::AbortedError(
          absl::StrCat("worker '", request.worker_id, "' has the incarnation '", record->identity.incarnation, "'"));
    }
  }
  const bool one_subscriber = spec_->coordination() == CoordinationMode::kOneSubscriber;
  if (one_subscriber && !request.worker_id.empty()) {
    for (const auto& [worker_id, watch] : subscribers_) {
      const WorkerRecord* other = registry_.Find(worker_id);
      if (worker_id == request.worker_id || other == nullptr || other->liveness != Liveness::kLive) continue;
      return absl::FailedPreconditionError(absl::StrCat("worker '", worker_id,
                                                        "' is the one subscriber of the deployment; watch without "
                                                        "worker_id, or state coordination_mode all_ranks"));
    }
  }
  const auto most = static_cast<std::size_t>(parts_.options->max_watchers_per_deployment);
  if (watches_.size() >= most && subscribers_.find(request.worker_id) == subscribers_.end()) {
    return absl::ResourceExhaustedError(absl::StrCat("watches of the deployment: ", watches_.size() + 1,
                                                     ", must be at most max_watchers_per_deployment = ", most));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<WatchState>> DeploymentLoop::OpenWatch(const WatchRequest& request,
                                                                      std::shared_ptr<WatchListener> listener) {
  Calls calls;
  std::shared_ptr<WatchState> watch;
  absl::Duration due;
  {
    MutexLock lock(mutex_);
    if (retired_) return absl::UnavailableError("the deployment is being forgotten; watch again");
    EPLB_RETURN_IF_ERROR(CheckWatch(request));
    EndFormerSubscribers(request, calls);
    watch = std::make_shared<WatchState>();
    watch->number = ++watches_opened_;
    watch->worker_id = request.worker_id;
    watch->listener = std::move(listener);
    const absl::Duration now = parts_.clock->Monotonic();
    watch->cursor = tracker_.OpenCursor(request.worker_id, request.resume_after, now);
    watch->bookmark_due = true;  // tells that the watch is open where there is nothing else to tell
    watch->draining_due = draining_;
    watches_.emplace(watch->number, watch);
    if (!request.worker_id.empty()) {
      subscribers_[request.worker_id] = watch;
      last_subscriber_ = request.worker_id;
    }
    bookmark_due_ = std::min(bookmark_due_, now + parts_.options->bookmark_interval);
    UpdateAppliedVersions();
    TellWorkerCounts();
    Settle(now, calls);
    due = replan_ ? now : bookmark_due_;
  }
  for (const auto& call : calls) call();
  parts_.scheduler->Schedule(schedule_id_, due);
  return watch;
}

void DeploymentLoop::EndFormerSubscribers(const WatchRequest& request, Calls& calls) {
  if (request.worker_id.empty()) return;
  const absl::Status status = absl::AbortedError("a newer watch took the place of this one");
  if (spec_->coordination() == CoordinationMode::kOneSubscriber) {
    while (!subscribers_.empty()) EndWatch(std::shared_ptr<WatchState>(subscribers_.begin()->second), status, calls);
  } else if (const auto former = subscribers_.find(request.worker_id); former != subscribers_.end()) {
    EndWatch(std::shared_ptr<WatchState>(former->second), status, calls);
  }
}

void DeploymentLoop::EndWatch(const std::shared_ptr<WatchState>& watch, const absl::Status& status, Calls& calls) {
  if (std::exchange(watch->ended, true)) return;
  ForgetWatch(*watch);
  if (watch->listener != nullptr) {
    calls.push_back([listener = watch->listener, status] { listener->OnEnded(status); });
  }
}

void DeploymentLoop::ForgetWatch(const WatchState& watch) {
  if (!watch.worker_id.empty()) subscribers_.erase(watch.worker_id);
  watches_.erase(watch.number);
}

std::optional<WatchEvent> DeploymentLoop::NextEvent(WatchState& watch) {
  MutexLock lock(mutex_);
  if (watch.ended) return std::nullopt;
  if (std::exchange(watch.draining_due, false)) {
    return WatchEvent{.kind = WatchEvent::Kind::kDraining, .reconnect_delay = drain_delay_};
  }
  const absl::Duration now = parts_.clock->Monotonic();
  std::optional<WatchEvent> event = tracker_.NextEvent(watch.cursor, now);
  const bool apart = event && event->kind == WatchEvent::Kind::kUpdate &&
                     (tracker_.rollout() == nullptr || tracker_.rollout()->version() != event->version);
  if (apart) parts_.scheduler->Schedule(schedule_id_, now + parts_.options->apply_timeout);
  const bool bookmark = std::exchange(watch.bookmark_due, false);
  if (event || !bookmark) return event;
  return WatchEvent{.kind = WatchEvent::Kind::kBookmark, .version = watch.cursor.held};
}

void DeploymentLoop::CloseWatch(const std::shared_ptr<WatchState>& watch) {
  MutexLock lock(mutex_);
  if (std::exchange(watch->ended, true)) return;
  ForgetWatch(*watch);
  TellWorkerCounts();
}

absl::Status DeploymentLoop::ReportStatus(const PlacementStatus& status) {
  Calls calls;
  {
    MutexLock lock(mutex_);
    if (retired_) return absl::NotFoundError("the deployment is not known");
    const absl::Duration now = parts_.clock->Monotonic();
    const Rollout* rollout = tracker_.rollout();
    const bool pending = rollout != nullptr && rollout->version() == status.version;
    const absl::Duration elapsed = pending ? now - rollout->published_at() : status.elapsed;
    const PlacementVersion in_force =
        tracker_.in_force() == nullptr ? PlacementVersion{} : tracker_.in_force()->version;
    bool fresh = false;
    EPLB_RETURN_IF_ERROR(tracker_.Report(status, now, fresh));
    if (!fresh) return absl::OkStatus();
    observer_->OnAcknowledgement(status, elapsed);
    if (status.state == PlacementState::kApplied) {
      const auto fold = folds_.find(status.worker_id);
      if (fold != folds_.end()) fold->second->SetAppliedVersion(tracker_.Find(status.worker_id)->applied);
      if (tracker_.in_force() != nullptr && tracker_.in_force()->version != in_force) UpdateAppliedVersions();
    }
    const auto session = sessions_.find(status.worker_id);
    const bool stale = status.state == PlacementState::kRejected &&
                       status.reason == RejectionReason::kStale;  // it knows of a newer one
    if (session != sessions_.end() && (stale || tracker_.NeedsContents(status.worker_id))) {
      session->second->need_full_hello = true;
      TellSession(*session->second, calls);
    }
    Settle(now, calls);
  }
  for (const auto& call : calls) call();
  return absl::OkStatus();
}

// Where one subscriber reports for all, what a report without a version was seen under follows it.
void DeploymentLoop::UpdateAppliedVersions() {
  if (spec_->coordination() != CoordinationMode::kOneSubscriber) return;
  for (const auto& [worker_id, fold] : folds_) {
    const WorkerPlacement* worker = tracker_.Find(worker_id);
    if (worker != nullptr) fold->SetAppliedVersion(worker->applied);
  }
}

void DeploymentLoop::Settle(absl::Duration now, Calls& calls) {
  for (const Rollout& rollout : tracker_.TakeEnded()) TakeEndedRollout(rollout, now);
  NoteBehind();
  if (!tracker_.TakeWatchersDirty()) return;
  ++generation_;
  if (tracker_.in_force() != nullptr && tracker_.in_force()->version.is_set()) registry_.SetEstablished();
  TellAllWatches(calls);
}

void DeploymentLoop::TakeEndedRollout(const Rollout& rollout, absl::Duration now) {
  if (replan_) RunSoon();
  observer_->OnRollout(rollout.version(), rollout.outcome(), rollout.culprit(), rollout.detail(), rollout.elapsed());
  ++generation_;
  if (rollout.outcome() == RolloutOutcome::kApplied) {
    backoff_.Reset();
    figures_.last_error.clear();
    return;
  }
  backoff_.Fail(now);
  figures_.last_error = absl::StrCat(
      "version ", rollout.version().ToString(), " ", std::string(RolloutOutcomeName(rollout.outcome())),
      rollout.culprit().empty() ? "" : absl::StrCat(" by worker '", rollout.culprit(), "'"), ": ", rollout.detail());
}

void DeploymentLoop::NoteBehind() {
  const std::vector<std::string> fallen = tracker_.TakeFallenBehind();
  if (!fallen.empty()) {
    behind_error_ = absl::StrCat(WorkerNames(fallen), " did not apply version ",
                                 tracker_.in_force()->version.ToString(), ", which is in force, within ",
                                 absl::FormatDuration(parts_.options->apply_timeout), "; it is sent again");
    figures_.last_error = behind_error_;
  }
  const int behind = tracker_.CountBehind();
  if (std::exchange(behind_told_, behind) == behind) return;
  observer_->OnBehind(behind);
  if (behind == 0 && figures_.last_error == behind_error_) figures_.last_error.clear();
}

void DeploymentLoop::TellAllWatches(Calls& calls) {
  for (const auto& [number, watch] : watches_) {
    if (watch->listener != nullptr) calls.push_back([listener = watch->listener] { listener->OnEvent(); });
  }
}

}  // namespace eplb
