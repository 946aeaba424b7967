#include "server/placement/placement_tracker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// "layer 3 slot 17 holds expert 5 here and 9 there"; the shapes agree.
std::string FirstDifference(const Placement& mine, const Placement& told) {
  for (int layer = 0; layer < mine.num_layers(); ++layer) {
    const auto a = mine.layer(layer);
    const auto b = told.layer(layer);
    const auto [at, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (at == a.end()) continue;
    return absl::StrCat("layers[", layer, "].physical_to_logical[", at - a.begin(), "] is ", *at, " and was told as ",
                        *other);
  }
  return "";
}

}  // namespace

PlacementTracker::PlacementTracker(Options options, PlacementStore& store)
    : options_(std::move(options)), store_(store), epoch_(options_.epoch) {
  EPLB_CHECK(epoch_ > 0 && epoch_ <= PlacementVersion::kMax);
}

absl::Status PlacementTracker::CheckVersion(PlacementVersion version) const {
  const bool valid = version.epoch >= 0 && version.revision >= 0 && version.epoch <= PlacementVersion::kMax &&
                     version.revision <= PlacementVersion::kMax;
  if (valid || (version.epoch > 0 && version.revision > 0 && version <= highest_told_)) return absl::OkStatus();
  return FieldErrorStatus("version", version.ToString(),
                          absl::StrCat("must have an epoch and a revision from 0 to ", PlacementVersion::kMax));
}

absl::Status PlacementTracker::CheckHello(std::string_view worker_id, PlacementVersion applied,
                                          const Placement* current) const {
  EPLB_RETURN_IF_ERROR(CheckVersion(applied));
  if (current == nullptr) return absl::OkStatus();
  if (!applied.is_set()) {
    // Engines that start anew may lay out anew, once no other runs what was told of before.
    const bool others = workers_.size() > (Find(worker_id) == nullptr ? 0U : 1U);
    if (!others || (in_force_ && in_force_->version.is_set())) return absl::OkStatus();
  }
  const std::optional<VersionedPlacement> known = Contents(applied);
  if (!known || *known->placement == *current) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("worker '", std::string(worker_id), "' tells of other contents of placement version ",
                   applied.ToString(), " than are known: ", FirstDifference(*known->placement, *current)));
}

void PlacementTracker::Hello(std::string_view worker_id, std::string_view incarnation, PlacementVersion applied,
                             std::shared_ptr<const Placement> current, absl::Duration now,
                             std::shared_ptr<const std::vector<double>> slot_shares) {
  auto it = workers_.find(worker_id);
  if (it == workers_.end()) it = workers_.try_emplace(std::string(worker_id)).first;
  WorkerPlacement& worker = it->second;
  if (worker.incarnation != incarnation) {
    if (rollout_ && !worker.incarnation.empty()) rollout_->OnRestart(worker_id, now);
    SetBehind(worker, false);
    worker = WorkerPlacement{.incarnation = std::string(incarnation)};
  }
  if (current != nullptr) {
    VersionedPlacement told{.version = applied, .placement = std::move(current), .slot_shares = std::move(slot_shares)};
    if (!applied.is_set()) {
      TakeInitialLayout(told);
    } else if (!Contents(applied)) {
      store_.Put(options_.deployment, std::move(told));
    }
  }
  MarkApplied(worker, applied, now);
  if (rollout_ && rollout_->version() == applied) rollout_->OnState(worker_id, PlacementState::kApplied, "", now);
  Settle(now);
}

// The layout that engines start with counts until there is a version.
void PlacementTracker::TakeInitialLayout(const VersionedPlacement& layout) {
  if (in_force_ && (in_force_->version.is_set() || *in_force_->placement == *layout.placement)) return;
  Adopt(layout);
}

bool PlacementTracker::NeedsContents(std::string_view worker_id) const {
  const WorkerPlacement* worker = Find(worker_id);
  return worker != nullptr && (!in_force_ || worker->applied > in_force_->version);
}

std::optional<std::string> PlacementTracker::ContentsAwaitedFrom(absl::Duration now, const WorkerFilter& counts) const {
  if (!in_force_) return "";
  for (const auto& [id, worker] : workers_) {
    const bool owed = worker.applied > in_force_->version && now - worker.contents_owed_since < options_.timeouts.apply;
    if (owed && counts(id)) return id;
  }
  return std::nullopt;
}

std::vector<std::string> PlacementTracker::TakeFallenBehind() { return std::exchange(fallen_behind_, {}); }

void PlacementTracker::Gone(std::string_view worker_id, bool forget, absl::Duration now) {
  if (rollout_) rollout_->OnGone(worker_id, now);
  const auto it = workers_.find(worker_id);
  if (it != workers_.end()) {
    SetBehind(it->second, false);
    it->second.owed_since = absl::InfiniteDuration();
  }
  if (forget && it != workers_.end()) workers_.erase(it);
  Settle(now);
}

void PlacementTracker::Back(std::string_view worker_id, absl::Duration now) {
  const auto it = workers_.find(worker_id);
  if (it == workers_.end() || !in_force_) return;
  // It may have been waited for when it fell silent.
  if (options_.two_phase && it->second.applied < in_force_->version) it->second.owed = in_force_->version;
  it->second.owed_since = now;
}

PlacementVersion PlacementTracker::Publish(std::shared_ptr<const Placement> placement,
                                           std::shared_ptr<const std::vector<double>> slot_shares,
                                           std::shared_ptr<const std::vector<Transfer>> transfers,
                                           std::set<std::string, std::less<>> required, absl::Duration now,
                                           std::shared_ptr<const LoadMatrix> loads) {
  EPLB_CHECK(in_force_ && !rollout_);
  const VersionedPlacement target{.version = {.epoch = epoch_, .revision = ++revision_},
                                  .placement = std::move(placement),
                                  .slot_shares = std::move(slot_shares),
                                  .loads = std::move(loads),
                                  .base = in_force_->version,
                                  .transfers = std::move(transfers)};
  EPLB_CHECK(target.version > in_force_->version && target.version > highest_told_);
  highest_told_ = target.version;
  store_.Put(options_.deployment, target);
  rollout_.emplace(target, options_.two_phase, std::move(required), options_.timeouts, now);
  watchers_dirty_ = true;
  Settle(now);
  return target.version;
}

void PlacementTracker::GiveUp(std::string_view detail, absl::Duration now) {
  if (rollout_) rollout_->GiveUp(detail, now);
  Settle(now);
}

absl::Status PlacementTracker::Report(const PlacementStatus& status, absl::Duration now, bool& fresh) {
  fresh = false;
  EPLB_RETURN_IF_ERROR(CheckVersion(status.version));
  if (!status.version.is_set()) return FieldErrorStatus("version", "unset", "must be set");
  if (status.state == PlacementState::kUnknown) return FieldErrorStatus("state", "unspecified", "must be set");
  const auto it = workers_.find(status.worker_id);
  if (it == workers_.end()) {
    return absl::NotFoundError(absl::StrCat("worker '", status.worker_id, "' has not said hello"));
  }
  WorkerPlacement& worker = it->second;
  if (worker.incarnation != status.incarnation) {
    return absl::AbortedError(
        absl::StrCat("worker '", status.worker_id, "' has the newer incarnation '", worker.incarnation, "'"));
  }
  Observe(status.version);
  const bool further =
      status.version > worker.version || (status.version == worker.version && status.state > worker.state);
  const bool newly_applied = status.state == PlacementState::kApplied && status.version > worker.applied;
  if (!further && !newly_applied) return absl::OkStatus();
  const bool mismatch = status.state == PlacementState::kRejected && status.reason == RejectionReason::kBaseMismatch;
  if (mismatch && worker.full_sent == status.version)
    return absl::OkStatus();  // told of the delta, before it got the full
  fresh = true;
  if (further) NoteState(worker, status);
  const bool in_force = in_force_ && in_force_->version == status.version;  // committed: there is no way back
  if (mismatch || (status.state == PlacementState::kRejected && in_force)) SendInFull(worker);
  if (mismatch) return absl::OkStatus();
  if (newly_applied) MarkApplied(worker, status.version, now);
  if (rollout_ && rollout_->version() == status.version) {
    const std::string detail = status.state == PlacementState::kRejected
                                   ? absl::StrCat(std::string(RejectionReasonName(status.reason)), ": ", status.detail)
                                   : "";
    rollout_->OnState(status.worker_id, status.state, detail, now);
  }
  Settle(now);
  return absl::OkStatus();
}

void PlacementTracker::NoteState(WorkerPlacement& worker, const PlacementStatus& status) {
  worker.version = status.version;
  worker.state = status.state;
  worker.fetched_bytes = status.fetched_bytes;
  const bool rejected = status.state == PlacementState::kRejected;
  worker.reason = rejected ? status.reason : RejectionReason::kUnspecified;
  worker.detail = rejected ? status.detail : "";
}

// The worker's newest version did not fit: it gets the full placement, once.
void PlacementTracker::SendInFull(WorkerPlacement& worker) {
  if (worker.full_sent == worker.version) return;
  worker.wants_full = true;
  worker.state = PlacementState::kUnknown;
  watchers_dirty_ = true;
}

void PlacementTracker::Advance(absl::Duration now) {
  if (rollout_) rollout_->Advance(now);
  Settle(now);
  SendAgain(now);
}

absl::Duration PlacementTracker::NextDeadline() const {
  absl::Duration next = rollout_ ? rollout_->deadline() : absl::InfiniteDuration();
  for (const auto& [id, worker] : workers_) next = std::min(next, LateFrom(id, worker));
  return next;
}

void PlacementTracker::SetBehind(WorkerPlacement& worker, bool behind) {
  behind_ += static_cast<int>(behind) - static_cast<int>(worker.behind);
  worker.behind = behind;
}

void PlacementTracker::SettleDebt(WorkerPlacement& worker) {
  worker.owed = {};
  SetBehind(worker, false);
}

absl::Duration PlacementTracker::LateFrom(std::string_view worker_id, const WorkerPlacement& worker) const {
  const bool owes =
      in_force_ && worker.owed.is_set() && worker.owed == in_force_->version && worker.applied < in_force_->version;
  if (!owes || (rollout_ && rollout_->requires_worker(worker_id))) return absl::InfiniteDuration();
  return worker.owed_since + options_.timeouts.apply;
}

// Whatever became of what was sent: a full placement fits all.
void PlacementTracker::SendAgain(absl::Duration now) {
  for (auto& [id, worker] : workers_) {
    if (now < LateFrom(id, worker)) continue;
    if (!worker.behind) fallen_behind_.push_back(id);
    SetBehind(worker, true);
    worker.owed_since = now;
    worker.wants_full = true;
    worker.full_sent = {};
    if (worker.version == worker.owed) worker.state = PlacementState::kUnknown;  // told again, it is news
    watchers_dirty_ = true;
  }
}

const WorkerPlacement* PlacementTracker::Find(std::string_view worker_id) const {
  const auto it = workers_.find(worker_id);
  return it == workers_.end() ? nullptr : &it->second;
}

std::optional<VersionedPlacement> PlacementTracker::Contents(PlacementVersion version) const {
  if (in_force_ && in_force_->version == version) return in_force_;
  if (rollout_ && rollout_->version() == version) return rollout_->target();
  return store_.Get(options_.deployment, version);
}

int PlacementTracker::CountApplied(PlacementVersion version) const {
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(),
                                        [&](const auto& entry) { return entry.second.applied == version; }));
}

// Rule 3.
void PlacementTracker::Observe(PlacementVersion version) {
  if (version <= highest_told_) return;
  highest_told_ = version;
  if (version.epoch < epoch_) return;
  epoch_ = version.epoch + 1;
  revision_ = 0;
}

// Rule 1.
void PlacementTracker::MarkApplied(WorkerPlacement& worker, PlacementVersion version, absl::Duration now) {
  Observe(version);
  worker.applied = std::max(worker.applied, version);
  if (in_force_ && worker.applied >= in_force_->version) SettleDebt(worker);
  if (in_force_ && version <= in_force_->version) return;
  const std::optional<VersionedPlacement> contents = Contents(version);
  if (!contents) {
    worker.contents_owed_since = std::min(worker.contents_owed_since, now);
    return;
  }
  worker.contents_owed_since = absl::InfiniteDuration();
  Adopt(*contents);
  if (options_.two_phase) return;
  for (auto& [id, other] : workers_) {  // it reports for all
    other.applied = std::max(other.applied, version);
    SettleDebt(other);
  }
}

void PlacementTracker::Adopt(const VersionedPlacement& placement) {
  in_force_ = placement;
  watchers_dirty_ = true;
}

// Takes over what became of the rollout.
void PlacementTracker::Settle(absl::Duration now) {
  if (!rollout_) return;
  const PlacementVersion version = rollout_->version();
  const bool in_force = rollout_->two_phase() && rollout_->committed();
  const bool unopposed = rollout_->stage() == Rollout::Stage::kEnded && rollout_->outcome() == RolloutOutcome::kApplied;
  if ((in_force || unopposed) && version > in_force_->version) Adopt(rollout_->target());
  if (version < in_force_->version) rollout_->GiveUp("a newer version is in force", now);
  if (rollout_->stage() != Rollout::Stage::kEnded) return;
  if (version > in_force_->version) {
    failed_ = rollout_;
    watchers_dirty_ = true;  // those who staged it are told to drop it
  } else if (version == in_force_->version) {
    for (const std::string& id : rollout_->waiting()) {  // they were given timeouts.apply already
      const auto late = workers_.find(id);
      if (late == workers_.end()) continue;
      late->second.owed = version;
      late->second.owed_since = now - options_.timeouts.apply;
    }
  }
  ended_.push_back(*std::move(rollout_));
  rollout_.reset();
}

std::vector<Rollout> PlacementTracker::TakeEnded() { return std::exchange(ended_, {}); }

bool PlacementTracker::TakeWatchersDirty() { return std::exchange(watchers_dirty_, false); }

}  // namespace eplb
