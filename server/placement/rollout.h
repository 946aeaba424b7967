#ifndef EPLB_SERVER_PLACEMENT_ROLLOUT_H_
#define EPLB_SERVER_PLACEMENT_ROLLOUT_H_

#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/placement/placement_status.h"
#include "server/placement/versioned_placement.h"

namespace eplb {

// How a rollout ended.
enum class RolloutOutcome { kApplied, kRejected, kAborted, kTimedOut };
inline constexpr int kNumRolloutOutcomes = 4;

// "applied", "rejected", "aborted", "timed_out".
std::string_view RolloutOutcomeName(RolloutOutcome outcome);

// One version on its way to the workers that must have it. Pure: time is passed in, as monotonic time.
//
//   one subscriber:  kApplying ---- all applied --> kApplied
//   all ranks:       kPreparing --- all prepared -> kApplying (committed) --- all applied --> kApplied
//
// Before the commit a worker that rejects, restarts, leaves or does not answer in time ends it for all: kRejected,
// kAborted or kTimedOut, and the former version stays in force. After the commit it is in force: who leaves or does
// not answer is named and no longer waited for.
class Rollout {
 public:
  enum class Stage { kPreparing, kApplying, kEnded };
  struct Timeouts {
    absl::Duration prepare = absl::Seconds(60);
    absl::Duration apply = absl::Seconds(60);
  };

  // two_phase: prepare, then commit. required: the workers that must have it; with none it is applied at once.
  Rollout(VersionedPlacement target, bool two_phase, std::set<std::string, std::less<>> required,
          const Timeouts& timeouts, absl::Duration now);

  const VersionedPlacement& target() const { return target_; }
  PlacementVersion version() const { return target_.version; }
  Stage stage() const { return stage_; }
  bool two_phase() const { return two_phase_; }
  // Applies without asking back: it was published so, or is committed.
  bool committed() const { return committed_; }
  bool requires_worker(std::string_view worker_id) const { return required_.find(worker_id) != required_.end(); }
  // Those that have still to prepare, or after that to apply.
  const std::set<std::string, std::less<>>& waiting() const { return waiting_; }
  absl::Duration published_at() const { return published_at_; }

  // kEnded only: how, and who and why where it was not applied.
  RolloutOutcome outcome() const { return outcome_; }
  const std::string& culprit() const { return culprit_; }
  const std::string& detail() const { return detail_; }
  absl::Duration elapsed() const { return elapsed_; }

  // A worker got this far with this version. kRejected is final here: base mismatches are the tracker's.
  void OnState(std::string_view worker_id, PlacementState state, std::string_view detail, absl::Duration now);
  // A worker started anew, and has lost what it staged.
  void OnRestart(std::string_view worker_id, absl::Duration now);
  // A worker left, or is no longer counted on.
  void OnGone(std::string_view worker_id, absl::Duration now);
  // The service gives it up: before the commit it is aborted, after that nobody is waited for.
  void GiveUp(std::string_view detail, absl::Duration now);
  // Applies the passing of time.
  void Advance(absl::Duration now);
  // When Advance next does something; InfiniteDuration where it has ended.
  absl::Duration deadline() const;

 private:
  void Commit(absl::Duration now);
  void StopWaitingFor(std::string_view worker_id, absl::Duration now);
  void End(RolloutOutcome outcome, std::string_view culprit, std::string_view detail, absl::Duration now);

  VersionedPlacement target_;
  bool two_phase_;
  std::set<std::string, std::less<>> required_;
  Timeouts timeouts_;
  absl::Duration published_at_;
  absl::Duration stage_since_;
  Stage stage_;
  bool committed_;
  std::set<std::string, std::less<>> waiting_;
  bool anyone_applied_ = false;
  RolloutOutcome outcome_ = RolloutOutcome::kApplied;
  std::string culprit_;
  std::string detail_;
  absl::Duration elapsed_ = absl::ZeroDuration();
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLACEMENT_ROLLOUT_H_
