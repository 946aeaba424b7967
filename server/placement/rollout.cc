#include "server/placement/rollout.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"

namespace eplb {

std::string_view RolloutOutcomeName(RolloutOutcome outcome) {
  static constexpr std::string_view kNames[kNumRolloutOutcomes] = {"applied", "rejected", "aborted", "timed_out"};
  const auto index = static_cast<int>(outcome);
  EPLB_CHECK(index >= 0 && index < kNumRolloutOutcomes);
  return kNames[index];
}

Rollout::Rollout(VersionedPlacement target, bool two_phase, std::set<std::string, std::less<>> required,
                 const Timeouts& timeouts, absl::Duration now)
    : target_(std::move(target)),
      two_phase_(two_phase),
      required_(std::move(required)),
      timeouts_(timeouts),
      published_at_(now),
      stage_since_(now),
      stage_(two_phase ? Stage::kPreparing : Stage::kApplying),
      committed_(!two_phase),
      waiting_(required_) {
  if (!waiting_.empty()) return;
  committed_ = true;
  End(RolloutOutcome::kApplied, "", "", now);
}

void Rollout::OnState(std::string_view worker_id, PlacementState state, std::string_view detail, absl::Duration now) {
  if (stage_ == Stage::kEnded || !requires_worker(worker_id)) return;
  if (state == PlacementState::kApplied) {
    anyone_applied_ = true;
    if (stage_ == Stage::kPreparing) Commit(now);  // it is in force somewhere: everyone must follow
    StopWaitingFor(worker_id, now);
  } else if (state == PlacementState::kPrepared && stage_ == Stage::kPreparing) {
    StopWaitingFor(worker_id, now);
  } else if (state == PlacementState::kRejected) {
    if (!two_phase_ || stage_ == Stage::kPreparing) return End(RolloutOutcome::kRejected, worker_id, detail, now);
    culprit_ = worker_id;
    detail_ = detail;
    StopWaitingFor(worker_id, now);
  }
}

void Rollout::OnRestart(std::string_view worker_id, absl::Duration now) {
  if (stage_ != Stage::kPreparing || !requires_worker(worker_id)) return;
  End(RolloutOutcome::kAborted, worker_id, "restarted before it had prepared for all", now);
}

void Rollout::OnGone(std::string_view worker_id, absl::Duration now) {
  if (stage_ == Stage::kEnded || !requires_worker(worker_id)) return;
  if (stage_ == Stage::kPreparing) {
    return End(RolloutOutcome::kAborted, worker_id, "left or fell silent before the commit", now);
  }
  if (waiting_.find(worker_id) == waiting_.end()) return;
  culprit_ = worker_id;
  detail_ = "left or fell silent before it had applied";
  StopWaitingFor(worker_id, now);
}

void Rollout::GiveUp(std::string_view detail, absl::Duration now) {
  if (stage_ == Stage::kEnded) return;
  End(stage_ == Stage::kPreparing ? RolloutOutcome::kAborted : RolloutOutcome::kTimedOut, "", detail, now);
}

void Rollout::Advance(absl::Duration now) {
  if (stage_ == Stage::kEnded || now < deadline()) return;
  const std::string_view what = stage_ == Stage::kPreparing ? "prepare" : "apply";
  const std::string first = *waiting_.begin();
  End(RolloutOutcome::kTimedOut, first,
      absl::StrCat("did not ", std::string(what), " in time; waited for ", waiting_.size(), " of ", required_.size(),
                   " workers"),
      now);
}

absl::Duration Rollout::deadline() const {
  if (stage_ == Stage::kEnded) return absl::InfiniteDuration();
  return stage_since_ + (stage_ == Stage::kPreparing ? timeouts_.prepare : timeouts_.apply);
}

void Rollout::Commit(absl::Duration now) {
  stage_ = Stage::kApplying;
  stage_since_ = now;
  committed_ = true;
  waiting_ = required_;
}

void Rollout::StopWaitingFor(std::string_view worker_id, absl::Duration now) {
  const auto it = waiting_.find(worker_id);
  if (it != waiting_.end()) waiting_.erase(it);
  if (!waiting_.empty()) return;
  if (stage_ == Stage::kPreparing) return Commit(now);
  const bool nobody = !anyone_applied_ && !culprit_.empty();
  End(nobody ? RolloutOutcome::kTimedOut : RolloutOutcome::kApplied, culprit_, detail_, now);
}

void Rollout::End(RolloutOutcome outcome, std::string_view culprit, std::string_view detail, absl::Duration now) {
  // The arguments may be views of the members.
  std::string culprit_text(culprit);
  std::string detail_text(detail);
  stage_ = Stage::kEnded;
  outcome_ = outcome;
  culprit_ = std::move(culprit_text);
  detail_ = std::move(detail_text);
  elapsed_ = now - published_at_;
}

}  // namespace eplb
