#ifndef EPLB_SERVER_PLACEMENT_PLACEMENT_TRACKER_H_
#define EPLB_SERVER_PLACEMENT_PLACEMENT_TRACKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/placement/placement_status.h"
#include "server/placement/placement_store.h"
#include "server/placement/rollout.h"
#include "server/placement/versioned_placement.h"
#include "server/placement/watch_event.h"

namespace eplb {

// What one worker has, as far as it told.
struct WorkerPlacement {
  std::string incarnation;
  PlacementVersion applied = {};  // in force; unset: the layout that its engine started with
  PlacementVersion version = {};  // newest that it reported on
  PlacementState state = PlacementState::kUnknown;
  RejectionReason reason = RejectionReason::kUnspecified;
  std::string detail = {};
  bool wants_full = false;          // it has another base: the next update is a full one
  PlacementVersion full_sent = {};  // newest that it was sent in full
  std::int64_t fetched_bytes = 0;   // that it told of, for `version`
  // The version in force, where it was sent it apart from a rollout, or is late after one; and since when (monotonic).
  PlacementVersion owed = {};
  absl::Duration owed_since = absl::ZeroDuration();
  bool behind = false;  // it had the time to apply what it owes, and has not
  // Since when it runs a version whose contents it has not told (monotonic).
  absl::Duration contents_owed_since = absl::InfiniteDuration();
};

// Where one watcher is. All of a watcher's memory.
struct WatchCursor {
  std::string worker_id = {};         // empty: an onlooker
  PlacementVersion held = {};         // in force at the watcher, as far as this watch knows
  PlacementVersion held_before = {};  // an onlooker's, should `sent` be aborted
  PlacementVersion sent = {};         // newest update sent on this watch
  bool awaiting_decision = false;     // `sent` went out on-commit; neither commit nor abort did
  bool in_doubt = false;              // the watcher may be applying `sent`
};

// The versions of one deployment: which is in force, which is on its way, who has what, and what each watcher is to be
// told next. Pure but for the store; not thread-safe; time is passed in, as monotonic time.
//
// The rules, from which recovery follows, since nothing in it distinguishes a restart from any other day:
// 1. The version in force is the newest that any worker told it applied, and whose contents are known; it never goes
//    back. A two-phase version is in force from its commit.
// 2. Equal versions have equal contents: who tells otherwise is refused.
// 3. A new version is newer than every version ever told of: within an own epoch the revision counts up, and where a
//    worker tells of a newer epoch than the own, the own becomes one more.
// 4. A worker that is behind the version in force is sent it, from the base that it told of, or in full; and in full
//    again each time that it has not applied it within timeouts.apply.
class PlacementTracker {
 public:
  // Copies that lead from one placement to another; null where there is no way but a full placement.
  using TransferPlanner = std::function<std::shared_ptr<const std::vector<Transfer>>(const VersionedPlacement& from,
                                                                                     const VersionedPlacement& to)>;
  struct Options {
    std::string deployment;
    bool two_phase = false;
    std::int64_t epoch = 1;  // of this owner, > 0
    Rollout::Timeouts timeouts = {};
    TransferPlanner plan_transfers = nullptr;  // null: deltas only from the version that the target was planned from
  };
  // The store must outlive the tracker.
  PlacementTracker(Options options, PlacementStore& store);

  // INVALID_ARGUMENT for a version that no owner counts up to: told by a peer it would leave no room above it.
  absl::Status CheckVersion(PlacementVersion version) const;
  // FAILED_PRECONDITION where the contents differ from what the version is known to hold; else as
  // CheckVersion. Changes nothing.
  absl::Status CheckHello(std::string_view worker_id, PlacementVersion applied, const Placement* current) const;
  // Takes in what a worker told in a hello that was checked. current: null where the hello left it out; slot_shares: as
  // in VersionedPlacement.
  void Hello(std::string_view worker_id, std::string_view incarnation, PlacementVersion applied,
             std::shared_ptr<const Placement> current, absl::Duration now,
             std::shared_ptr<const std::vector<double>> slot_shares = nullptr);
  // The contents of what this worker has in force must be told before the next version can be planned.
  bool NeedsContents(std::string_view worker_id) const;
  // The same for any worker for which `counts` holds: planning waits for it, for timeouts.apply at most. Its id; empty:
  // for anybody at all; nullopt: for nobody.
  using WorkerFilter = std::function<bool(std::string_view worker_id)>;
  std::optional<std::string> ContentsAwaitedFrom(absl::Duration now, const WorkerFilter& counts) const;
  // Workers that had the time to apply the version in force, and have not.
  int CountBehind() const { return behind_; }
  // Those who fell behind since the last call.
  std::vector<std::string> TakeFallenBehind();
  // A worker left or is no longer counted on. forget: it said goodbye, and what it had does not count any more.
  void Gone(std::string_view worker_id, bool forget, absl::Duration now);
  // One that was no longer counted on is there again, without a hello.
  void Back(std::string_view worker_id, absl::Duration now);

  // Publishes a new version, planned from the one in force, which must be there; no rollout may be pending. required:
  // the workers that must have it; loads: as in VersionedPlacement.
  PlacementVersion Publish(std::shared_ptr<const Placement> placement,
                           std::shared_ptr<const std::vector<double>> slot_shares,
                           std::shared_ptr<const std::vector<Transfer>> transfers,
                           std::set<std::string, std::less<>> required, absl::Duration now,
                           std::shared_ptr<const LoadMatrix> loads = nullptr);
  // Ends the pending rollout, if any.
  void GiveUp(std::string_view detail, absl::Duration now);

  // Takes in how far a worker is. NOT_FOUND, ABORTED, INVALID_ARGUMENT as Hub::ReportStatus. `fresh` is set to whether
  // it told anything new.
  absl::Status Report(const PlacementStatus& status, absl::Duration now, bool& fresh);

  // Applies the passing of time, and when it next does something.
  void Advance(absl::Duration now);
  absl::Duration NextDeadline() const;

  // Null before any contents were told.
  const VersionedPlacement* in_force() const { return in_force_ ? &*in_force_ : nullptr; }
  // Null where nothing is on its way.
  const Rollout* rollout() const { return rollout_ ? &*rollout_ : nullptr; }
  // Null for an unknown worker.
  const WorkerPlacement* Find(std::string_view worker_id) const;
  // Contents of a version; nothing where they are not known (any more).
  std::optional<VersionedPlacement> Contents(PlacementVersion version) const;
  int CountApplied(PlacementVersion version) const;

  // A cursor for a new watch. resume_after: in force at the watcher, as CheckVersion; unset: not told.
  WatchCursor OpenCursor(std::string_view worker_id, PlacementVersion resume_after, absl::Duration now);
  // The next event for a watcher; none where nothing is new. Bookmarks and draining are the caller's.
  std::optional<WatchEvent> NextEvent(WatchCursor& cursor, absl::Duration now);

  // Rollouts that ended since the last call.
  std::vector<Rollout> TakeEnded();
  // Whether watchers may have something new since the last call.
  bool TakeWatchersDirty();

 private:
  using Workers = std::map<std::string, WorkerPlacement, std::less<>>;

  void Observe(PlacementVersion version);
  void MarkApplied(WorkerPlacement& worker, PlacementVersion version, absl::Duration now);
  void SetBehind(WorkerPlacement& worker, bool behind);
  void SettleDebt(WorkerPlacement& worker);
  // When a worker that owes the version in force is late with it; InfiniteDuration: it owes nothing.
  absl::Duration LateFrom(std::string_view worker_id, const WorkerPlacement& worker) const;
  void SendAgain(absl::Duration now);
  void Adopt(const VersionedPlacement& placement);
  void TakeInitialLayout(const VersionedPlacement& layout);
  void SendInFull(WorkerPlacement& worker);
  void Settle(absl::Duration now);
  void NoteState(WorkerPlacement& worker, const PlacementStatus& status);
  const VersionedPlacement* TargetOf(const WatchCursor& cursor) const;
  std::optional<WatchEvent> NextDecision(WatchCursor& cursor);
  WatchEvent SendUpdate(const VersionedPlacement& target, WorkerPlacement* worker, WatchCursor& cursor,
                        absl::Duration now);
  std::shared_ptr<const PlacementUpdate> MakeUpdate(const VersionedPlacement& target, PlacementVersion base,
                                                    Activation activation);
  WatchEvent AbortEvent(PlacementVersion version) const;

  Options options_;
  PlacementStore& store_;
  Workers workers_;
  std::optional<VersionedPlacement> in_force_;
  std::optional<Rollout> rollout_;
  std::optional<Rollout> failed_;  // newest that ended without being in force
  std::vector<Rollout> ended_;
  std::vector<std::shared_ptr<const PlacementUpdate>> updates_;  // cache, newest last
  PlacementVersion highest_told_ = {};
  std::int64_t epoch_;
  std::int64_t revision_ = 0;
  bool watchers_dirty_ = false;
  int behind_ = 0;
  std::vector<std::string> fallen_behind_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLACEMENT_PLACEMENT_TRACKER_H_
