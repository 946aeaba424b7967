#include "server/telemetry/worker_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {

WorkerRegistry::WorkerRegistry(int num_ranks, int max_workers, const LivenessOptions& options, absl::Duration now)
    : num_ranks_(num_ranks),
      max_workers_(max_workers),
      options_(options),
      owner_(static_cast<std::size_t>(num_ranks), nullptr),
      unclaimed_since_(now) {}

absl::Status WorkerRegistry::Check(const WorkerIdentity& identity) const {
  const int first = identity.first_rank;
  const int count = identity.num_ranks;
  if (first < 0 || first >= num_ranks_) {
    return FieldErrorStatus("hello.first_rank", absl::StrCat(first),
                            absl::StrCat("must be from 0 to ", num_ranks_ - 1));
  }
  if (count < 1 || count > num_ranks_ - first) {
    return FieldErrorStatus("hello.num_ranks", absl::StrCat(count),
                            absl::StrCat("must be from 1 to ", num_ranks_ - first));
  }
  for (int rank = first; rank < first + count; ++rank) {
    const WorkerRecord* owner = owner_[static_cast<std::size_t>(rank)];
    if (owner == nullptr || owner->liveness != Liveness::kLive || owner->identity.worker_id == identity.worker_id) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat("rank ", rank, " is reported for by worker '",
                                                      owner->identity.worker_id, "', which is live; worker '",
                                                      identity.worker_id, "' claims it too"));
  }
  if (Find(identity.worker_id) == nullptr && workers_.size() >= static_cast<std::size_t>(max_workers_)) {
    return absl::ResourceExhaustedError(absl::StrCat("workers of the deployment: ", workers_.size() + 1,
                                                     ", must be at most max_workers_per_deployment = ", max_workers_));
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkerRegistry::HelloOutcome> WorkerRegistry::Hello(const WorkerIdentity& identity, absl::Duration now) {
  EPLB_RETURN_IF_ERROR(Check(identity));
  HelloOutcome outcome;
  if (const WorkerRecord* former = Find(identity.worker_id)) {
    outcome.former = former->liveness;
    outcome.kind =
        former->identity.incarnation == identity.incarnation ? HelloKind::kSameIncarnation : HelloKind::kNewIncarnation;
    ReleaseRanks(*former);
    --Count(former->liveness);
  }
  ++Count(Liveness::kLive);
  for (int rank = identity.first_rank; rank < identity.first_rank + identity.num_ranks; ++rank) {
    const WorkerRecord* owner = owner_[static_cast<std::size_t>(rank)];
    if (owner == nullptr) continue;
    const std::string silent = owner->identity.worker_id;
    outcome.replaced.push_back(silent);
    Remove(silent, now);
  }
  WorkerRecord& record = workers_[identity.worker_id];
  record = {.identity = identity, .liveness = Liveness::kLive, .last_heard = now};
  std::fill_n(owner_.begin() + identity.first_rank, identity.num_ranks, &record);
  return outcome;
}

void WorkerRegistry::ReleaseRanks(const WorkerRecord& record) {
  const int end = record.identity.first_rank + record.identity.num_ranks;
  for (int rank = record.identity.first_rank; rank < end; ++rank) {
    const WorkerRecord*& owner = owner_[static_cast<std::size_t>(rank)];
    if (owner == &record) owner = nullptr;
  }
}

void WorkerRegistry::Heard(std::string_view worker_id, absl::Duration when) {
  const auto it = workers_.find(worker_id);
  if (it != workers_.end()) it->second.last_heard = std::max(it->second.last_heard, when);
}

void WorkerRegistry::Remove(std::string_view worker_id, absl::Duration now) {
  const auto it = workers_.find(worker_id);
  if (it == workers_.end()) return;
  ReleaseRanks(it->second);
  --Count(it->second.liveness);
  workers_.erase(it);
  unclaimed_since_ = now;
  unclaimed_excluded_ = false;
}

std::vector<WorkerRegistry::Change> WorkerRegistry::Advance(absl::Duration now, absl::Duration interval) {
  std::vector<Change> changes;
  const absl::Duration expire_after = ExpireAfter(interval);
  for (auto& [id, record] : workers_) {
    if (record.liveness == Liveness::kExcluded) continue;
    const absl::Duration silence = now - record.last_heard;
    Liveness liveness = Liveness::kLive;
    if (silence >= expire_after) liveness = Liveness::kExpired;
    if (silence >= expire_after + options_.exclude_grace) liveness = Liveness::kExcluded;
    if (liveness == record.liveness) continue;
    --Count(std::exchange(record.liveness, liveness));
    ++Count(liveness);
    changes.push_back({id, liveness});
  }
  unclaimed_excluded_ = established_ && now - unclaimed_since_ >= expire_after + options_.exclude_grace;
  return changes;
}

absl::Duration WorkerRegistry::NextDeadline(absl::Duration interval) const {
  absl::Duration next = absl::InfiniteDuration();
  const absl::Duration expire_after = ExpireAfter(interval);
  for (const auto& [id, record] : workers_) {
    if (record.liveness == Liveness::kLive) next = std::min(next, record.last_heard + expire_after);
    if (record.liveness == Liveness::kExpired) {
      next = std::min(next, record.last_heard + expire_after + options_.exclude_grace);
    }
  }
  if (established_ && !unclaimed_excluded_ && HasUnclaimedRanks()) {
    next = std::min(next, unclaimed_since_ + expire_after + options_.exclude_grace);
  }
  return next;
}

const WorkerRecord* WorkerRegistry::Find(std::string_view worker_id) const {
  const auto it = workers_.find(worker_id);
  return it == workers_.end() ? nullptr : &it->second;
}

std::vector<int> WorkerRegistry::ExcludedRanks() const {
  std::vector<int> ranks;
  for (int rank = 0; rank < num_ranks_; ++rank) {
    const WorkerRecord* owner = owner_[static_cast<std::size_t>(rank)];
    const bool excluded = owner == nullptr ? unclaimed_excluded_ : owner->liveness == Liveness::kExcluded;
    if (excluded) ranks.push_back(rank);
  }
  return ranks;
}

bool WorkerRegistry::HasUnclaimedRanks() const {
  return std::find(owner_.begin(), owner_.end(), nullptr) != owner_.end();
}

}  // namespace eplb
