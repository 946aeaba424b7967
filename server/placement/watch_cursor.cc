// What watchers are told next: the part of PlacementTracker that moves cursors.
#include <algorithm>
#include <utility>

#include "server/base/check.h"
#include "server/placement/placement_tracker.h"

namespace eplb {
namespace {

// Updates that are kept for watchers with the same base.
constexpr std::size_t kCachedUpdates = 8;

std::vector<int> ChangedLayers(const VersionedPlacement& from, const VersionedPlacement& to) {
  std::vector<int> changed;
  const bool same_shares = from.slot_shares == to.slot_shares;
  for (int layer = 0; layer < to.placement->num_layers(); ++layer) {
    const auto a = from.placement->layer(layer);
    const auto b = to.placement->layer(layer);
    if (!same_shares || !std::equal(a.begin(), a.end(), b.begin(), b.end())) changed.push_back(layer);
  }
  return changed;
}

}  // namespace

WatchCursor PlacementTracker::OpenCursor(std::string_view worker_id, PlacementVersion resume_after,
                                         absl::Duration now) {
  WatchCursor cursor{.worker_id = std::string(worker_id), .held = resume_after};
  const auto it = workers_.find(worker_id);
  if (worker_id.empty() || it == workers_.end()) return cursor;
  WorkerPlacement& worker = it->second;
  if (resume_after > worker.applied) {
    MarkApplied(worker, resume_after, now);
    Settle(now);
  }
  cursor.held = worker.applied;
  // It may have staged a version and missed what became of it.
  const bool staged = worker.state == PlacementState::kAccepted || worker.state == PlacementState::kPrepared;
  if (options_.two_phase && staged && worker.version > worker.applied) {
    cursor.sent = worker.version;
    cursor.awaiting_decision = true;
  }
  return cursor;
}

const VersionedPlacement* PlacementTracker::TargetOf(const WatchCursor& cursor) const {
  if (rollout_) {
    // A worker that came too late to prepare gets the version once it is committed.
    const bool too_late = rollout_->stage() == Rollout::Stage::kPreparing && !cursor.worker_id.empty() &&
                          !rollout_->requires_worker(cursor.worker_id);
    if (!too_late) return &rollout_->target();
  }
  return in_force();
}

WatchEvent PlacementTracker::AbortEvent(PlacementVersion version) const {
  WatchEvent event{.kind = WatchEvent::Kind::kAbort, .version = version};
  if (failed_ && failed_->version() == version) {
    event.worker_id = failed_->culprit();
    event.detail = failed_->detail();
  }
  return event;
}

// What became of the version that went out before: commit, abort, or nothing yet.
std::optional<WatchEvent> PlacementTracker::NextDecision(WatchCursor& cursor) {
  const bool pending = rollout_ && rollout_->version() == cursor.sent;
  if (cursor.awaiting_decision) {
    const bool committed = (pending && rollout_->committed()) || (in_force_ && in_force_->version == cursor.sent);
    if (!committed && pending) return std::nullopt;
    cursor.awaiting_decision = false;
    cursor.in_doubt = committed;
    // Should it be in force after all, which a worker may tell of only now, it is sent again.
    if (!committed) return AbortEvent(std::exchange(cursor.sent, {}));
    if (cursor.worker_id.empty()) cursor.held = cursor.sent;
    return WatchEvent{.kind = WatchEvent::Kind::kCommit, .version = cursor.sent};
  }
  // An onlooker takes what it was shown for in force, until it is told otherwise.
  const bool failed = !pending && failed_ && failed_->version() == cursor.sent && in_force_->version < cursor.sent;
  if (!cursor.worker_id.empty() || !failed || cursor.held != cursor.sent) return std::nullopt;
  cursor.held = cursor.held_before;
  return AbortEvent(cursor.sent);
}

std::optional<WatchEvent> PlacementTracker::NextEvent(WatchCursor& cursor, absl::Duration now) {
  const auto it = workers_.find(cursor.worker_id);
  WorkerPlacement* worker = cursor.worker_id.empty() || it == workers_.end() ? nullptr : &it->second;
  if (worker != nullptr) cursor.held = std::max(cursor.held, worker->applied);
  if (std::optional<WatchEvent> decision = NextDecision(cursor)) return decision;

  const VersionedPlacement* target = TargetOf(cursor);
  if (target == nullptr || target->version <= cursor.held) return std::nullopt;
  const bool wants_full = worker != nullptr && worker->wants_full;
  if (target->version == cursor.sent && !wants_full) return std::nullopt;
  return SendUpdate(*target, worker, cursor, now);
}

WatchEvent PlacementTracker::SendUpdate(const VersionedPlacement& target, WorkerPlacement* worker, WatchCursor& cursor,
                                        absl::Duration now) {
  // What a worker was sent last may or may not be in force there by now: only a full placement fits both.
  const bool in_doubt = worker != nullptr && cursor.in_doubt && cursor.sent > cursor.held &&
                        !(worker->version == cursor.sent && worker->state == PlacementState::kRejected);
  const bool full = in_doubt || (worker != nullptr && worker->wants_full);
  const bool on_commit = rollout_ && rollout_->version() == target.version && !rollout_->committed();
  const std::shared_ptr<const PlacementUpdate> update = MakeUpdate(
      target, full ? PlacementVersion{} : cursor.held, on_commit ? Activation::kOnCommit : Activation::kImmediate);
  if (worker != nullptr) {
    worker->wants_full = false;
    if (update->full) worker->full_sent = target.version;
    if (in_force_ && target.version == in_force_->version) {
      worker->owed = target.version;
      worker->owed_since = now;
    }
  } else if (!on_commit) {
    cursor.held_before = std::exchange(cursor.held, target.version);
  }
  cursor.sent = target.version;
  cursor.awaiting_decision = on_commit;
  cursor.in_doubt = !on_commit;
  return WatchEvent{.kind = WatchEvent::Kind::kUpdate, .version = target.version, .update = update};
}

std::shared_ptr<const PlacementUpdate> PlacementTracker::MakeUpdate(const VersionedPlacement& target,
                                                                    PlacementVersion base, Activation activation) {
  const auto cached = std::find_if(updates_.begin(), updates_.end(), [&](const auto& update) {
    return update->target.version == target.version && update->activation == activation &&
           update->requested_base == base;
  });
  if (cached != updates_.end()) return *cached;

  auto update = std::make_shared<PlacementUpdate>();
  update->target = target;
  update->activation = activation;
  update->requested_base = base;
  const std::optional<VersionedPlacement> from = base.is_set() ? Contents(base) : std::nullopt;
  if (from) {
    update->transfers = base == target.base ? target.transfers : nullptr;
    if (update->transfers == nullptr && options_.plan_transfers) {
      update->transfers = options_.plan_transfers(*from, target);
    }
  }
  if (update->transfers != nullptr) {
    update->full = false;
    update->base = base;
    update->changed_layers = ChangedLayers(*from, target);
  }
  if (updates_.size() >= kCachedUpdates) updates_.erase(updates_.begin());
  updates_.push_back(update);
  return update;
}

}  // namespace eplb
