#include "server/planner/deployment_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/model/contiguous_placement.h"

namespace eplb {
namespace {

// So many first sub-windows wait for workers that have not reported yet: as long as silence takes to be noticed.
constexpr int kMostIncomplete = 3;

Placement Contiguous(const DeploymentSpec& spec) {
  absl::StatusOr<Placement> placement = ContiguousPlacement(spec.num_layers(), spec.num_experts(), spec.topology());
  EPLB_CHECK(placement.ok());  // the spec has slots for all experts
  return *std::move(placement);
}

// FNV-1a: each deployment has its own stream of jitter, the same in each run.
std::uint64_t SeedOf(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U ^ seed;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

PlacementTracker::Options TrackerOptions(const HubParts& parts, const std::shared_ptr<const DeploymentSpec>& spec) {
  PlacementTracker::Options options{
      .deployment = spec->name(),
      .two_phase = spec->coordination() == CoordinationMode::kAllRanks,
      .epoch = std::clamp<std::int64_t>(absl::ToUnixNanos(parts.clock->Now()), 1, PlacementVersion::kMax),
      .timeouts = {.prepare = parts.options->prepare_timeout, .apply = parts.options->apply_timeout},
      .plan_transfers = nullptr};
  if (parts.plan_transfers) {
    options.plan_transfers = [spec, plan = parts.plan_transfers](const VersionedPlacement& from,
                                                                 const VersionedPlacement& to) {
      return plan(*spec, from, to);
    };
  }
  return options;
}

}  // namespace

std::shared_ptr<DeploymentLoop> DeploymentLoop::Create(const HubParts& parts, const WorkerHello& first) {
  std::shared_ptr<DeploymentLoop> loop(new DeploymentLoop(parts, first, parts.clock->Monotonic()));
  loop->schedule_id_ = parts.scheduler->Add(loop);
  return loop;
}

DeploymentLoop::DeploymentLoop(const HubParts& parts, const WorkerHello& first, absl::Duration now)
    : parts_(parts),
      spec_(std::make_shared<const DeploymentSpec>(first.spec)),
      overrides_(first.options),
      contiguous_(Contiguous(*spec_)),
      made_at_(now),
      observer_(parts.observer->OnDeployment(*spec_)),
      experts_(static_cast<std::size_t>(spec_->num_layers()) * static_cast<std::size_t>(spec_->num_experts())),
      registry_(spec_->topology().num_gpus(), parts.options->max_workers_per_deployment, parts.options->liveness, now),
      tracker_(TrackerOptions(parts, spec_), *parts.store),
      history_(spec_->num_layers(), spec_->num_experts(), parts.options->history_sub_windows),
      backoff_(parts.options->rejection_backoff, parts.options->max_rejection_backoff,
               SeedOf(parts.options->seed, spec_->name())),
      control_(std::make_shared<const DeploymentControl>(
          DeploymentControl{.mode = parts.options->automatic ? DeploymentMode::kAutomatic : DeploymentMode::kPaused})),
      bookmark_due_(absl::InfiniteDuration()),
      interval_told_(parts.shedder->interval()),
      liveness_interval_(interval_told_),
      empty_since_(now) {
  if (parts.options->max_fetch_percent <= 0) return;
  const std::int64_t slots = std::int64_t{spec_->topology().num_slots()} * spec_->num_layers();
  pacer_.emplace(FetchPacer::ForPercent(parts.options->max_fetch_percent, slots));
}

void DeploymentLoop::RunSoon() const { parts_.scheduler->Schedule(schedule_id_, parts_.clock->Monotonic()); }

void DeploymentLoop::ArmTick(absl::Duration now) {
  {
    MutexLock lock(mutex_);
    if (tick_armed_.exchange(true)) return;
    tick_due_ = now + interval_told_;
  }
  parts_.scheduler->Schedule(schedule_id_, now + parts_.shedder->interval());
}

absl::Duration DeploymentLoop::RunOnce(absl::Duration now) {
  Calls calls;
  std::optional<MeasureJob> measure;
  std::optional<PlanJob> job;
  bool forgotten = false;
  {
    MutexLock lock(mutex_);
    if (retired_) return absl::InfiniteDuration();
    FollowInterval(now, calls);
    AdvanceLiveness(now, calls);
    tracker_.Advance(now);
    Settle(now, calls);
    SendBookmarks(now, calls);
    bool plan = replan_ && history_.size() > 0;
    if (now >= tick_due_) {
      measure = CloseSubWindow(now);
      plan |= measure.has_value();
    }
    if (plan) job = PrepareTick(now);
    forgotten = Forgotten(now);
  }
  for (const auto& call : calls) call();
  if (measure) Measure(*measure);
  if (job) PlanTick(*job, now);
  if (forgotten) parts_.on_forgotten(shared_from_this());
  MutexLock lock(mutex_);
  return NextDue(parts_.clock->Monotonic());
}

// Workers are heard of by their folds, without the lock.
void DeploymentLoop::RefreshLiveness() {
  for (const auto& [worker_id, fold] : folds_) registry_.Heard(worker_id, fold->counters().last_heard);
}

void DeploymentLoop::AdvanceLiveness(absl::Duration now, Calls& calls) {
  RefreshLiveness();
  for (const WorkerRegistry::Change& change : registry_.Advance(now, liveness_interval_)) {
    observer_->OnLiveness(change.worker_id, change.liveness);
    ++generation_;
    replan_ |= change.liveness == Liveness::kExcluded;
    if (change.liveness == Liveness::kLive) {
      tracker_.Back(change.worker_id, now);
    } else {
      tracker_.Gone(change.worker_id, /*forget=*/false, now);
    }
  }
  // An excluded worker that reports again is asked for the hello that brings it back.
  for (const auto& [worker_id, session] : sessions_) {
    const WorkerRecord* record = registry_.Find(worker_id);
    const bool back =
        record != nullptr && record->liveness == Liveness::kExcluded && now - record->last_heard < liveness_interval_;
    if (back && !session->need_full_hello.exchange(true)) TellSession(*session, calls);
  }
  const bool empty = registry_.CountOf(Liveness::kLive) == 0;
  if (!empty) empty_since_ = absl::InfiniteDuration();
  if (empty && empty_since_ == absl::InfiniteDuration()) empty_since_ = now;
  TellWorkerCounts();
}

void DeploymentLoop::TellWorkerCounts() {
  observer_->OnWorkers(registry_.CountOf(Liveness::kLive), registry_.CountOf(Liveness::kExpired),
                       registry_.CountOf(Liveness::kExcluded), static_cast<int>(watches_.size()));
}

// Workers are told of a new interval. Silence is measured by the longer one until all had time to follow.
void DeploymentLoop::FollowInterval(absl::Duration now, Calls& calls) {
  const absl::Duration interval = parts_.shedder->interval();
  if (interval != interval_told_) {
    shorter_since_ = interval < liveness_interval_ ? now : absl::InfiniteDuration();
    interval_told_ = interval;
    TellAllSessions(calls);
  }
  if (interval > liveness_interval_ || now >= ShorterFollowedAt()) {
    liveness_interval_ = interval;
    shorter_since_ = absl::InfiniteDuration();
  }
}

absl::Duration DeploymentLoop::ShorterFollowedAt() const {
  return shorter_since_ + parts_.options->liveness.expire_after_intervals * liveness_interval_;
}

void DeploymentLoop::SendBookmarks(absl::Duration now, Calls& calls) {
  if (watches_.empty()) bookmark_due_ = absl::InfiniteDuration();
  if (now < bookmark_due_) return;
  bookmark_due_ = now + parts_.options->bookmark_interval;
  for (const auto& [number, watch] : watches_) watch->bookmark_due = true;
  TellAllWatches(calls);
}

absl::Duration DeploymentLoop::NextDue(absl::Duration now) const {
  if (retired_) return absl::InfiniteDuration();
  absl::Duration next = std::min({tick_due_, bookmark_due_, tracker_.NextDeadline(),
                                  registry_.NextDeadline(liveness_interval_), ShorterFollowedAt()});
  if (replan_ && backoff_.until() > now) next = std::min(next, backoff_.until());
  if (empty_since_ != absl::InfiniteDuration()) {
    next = std::min(next, std::max(now, empty_since_ + parts_.options->deployment_retention));
  }
  return next;
}

// At each tick: what all workers told becomes the newest sub-window. Without any report there is none, and no next tick
// until one comes.
std::optional<DeploymentLoop::MeasureJob> DeploymentLoop::CloseSubWindow(absl::Duration now) {
  if (!reported_.exchange(false)) {
    tick_due_ = absl::InfiniteDuration();
    tick_armed_ = false;
    if (reported_ && !tick_armed_.exchange(true)) tick_due_ = now + interval_told_;  // it came in just now
    return std::nullopt;
  }
  tick_due_ = std::max(tick_due_ + interval_told_, now + interval_told_ / 2);
  LoadSum sum;
  std::array<int, kNumPhases> expert_workers{};
  for (const auto& [worker_id, fold] : folds_) {
    const WorkerRecord* record = registry_.Find(worker_id);
    // A silent worker's last loads stand in for it, for expire_after_intervals and the grace at most.
    const bool counts = record != nullptr && record->liveness != Liveness::kExcluded;
    fold->Close(interval_told_, /*use_last=*/counts, expert_workers, sum);
  }
  experts_.Close(interval_told_, expert_workers, sum);
  if (sum.empty()) {
    NoteTick(only_warmup_ ? UnchangedReason::kWarmingUp : UnchangedReason::kStaleTelemetry);
    return std::nullopt;
  }
  if (history_.size() == 0 && incomplete_ < kMostIncomplete && !AllHaveTold()) {
    // Right after a start workers come back one by one. By slot each tells of its own experts alone, and a plan for the
    // first ones would take all other experts for cold.
    ++incomplete_;
    NoteTick(UnchangedReason::kWarmingUp);
    return std::nullopt;
  }
  if (!history_.Push(sum, now)) {
    only_warmup_ = false;
    NoteTick(UnchangedReason::kNoLoad);
    return std::nullopt;
  }
  only_warmup_ = false;
  std::optional<LoadMatrix> combined = history_.CombinedNewest(spec_->phase_weights());
  if (!combined || tracker_.in_force() == nullptr) return std::nullopt;
  TopologyOptions topology_options = spec_->topology_options();
  topology_options.excluded_gpus = registry_.ExcludedRanks();
  absl::StatusOr<Topology> topology = Topology::Create(std::move(topology_options));
  if (!topology.ok()) return std::nullopt;  // no rank is left
  MeasureJob job{.topology = std::make_shared<const Topology>(*std::move(topology)),
                 .placement = *tracker_.in_force(),
                 .combined = *std::move(combined),
                 .phases = {},
                 .predicted_step_time = std::nullopt,
                 .length = interval_told_,
                 .reporting_workers = sum.reporting_workers};
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    job.phases[phase] = history_.NewestOf(static_cast<Phase>(phase));
  }
  if (figures_.predicted_step_time > 0) job.predicted_step_time = figures_.predicted_step_time;
  return job;
}

bool DeploymentLoop::AllHaveTold() const {
  if (registry_.AwaitsUnclaimedRanks()) return false;
  for (const auto& [worker_id, fold] : folds_) {
    const WorkerRecord* record = registry_.Find(worker_id);
    const bool silent = record != nullptr && record->liveness == Liveness::kLive && !fold->counters().last_report;
    if (silent) return false;
  }
  return true;
}

void DeploymentLoop::Measure(const MeasureJob& job) {
  const auto live = [&](const LoadMatrix& loads) {
    const std::span<const double> shares =
        job.placement.slot_shares == nullptr ? std::span<const double>() : *job.placement.slot_shares;
    return MeasureBalance(*job.placement.placement, loads, *job.topology, shares);
  };
  SubWindowFigures figures{.phase = std::nullopt,
                           .live = live(job.combined),
                           .contiguous = MeasureBalance(contiguous_, job.combined, *job.topology),
                           .predicted_step_time = job.predicted_step_time,
                           .length = job.length,
                           .reporting_workers = job.reporting_workers};
  observer_->OnSubWindow(figures);
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    if (!job.phases[phase]) continue;
    observer_->OnSubWindow({.phase = static_cast<Phase>(phase),
                            .live = live(*job.phases[phase]),
                            .contiguous = {},
                            .predicted_step_time = std::nullopt,
                            .length = job.length,
                            .reporting_workers = job.reporting_workers});
  }
  MutexLock lock(mutex_);
  figures_.live_balancedness = MeanBalancedness(figures.live);
  figures_.live_step_time = StepTime(figures.live);
  figures_.contiguous_step_time = StepTime(figures.contiguous);
}

bool DeploymentLoop::Forgotten(absl::Duration now) const {
  return empty_since_ != absl::InfiniteDuration() && now - empty_since_ >= parts_.options->deployment_retention;
}

bool DeploymentLoop::Retire(Condition condition, const absl::Status& status) {
  Calls calls;
  {
    MutexLock lock(mutex_);
    if (retired_) return true;
    if (condition == Condition::kForgotten && !Forgotten(parts_.clock->Monotonic())) return false;
    if (condition == Condition::kUnused && !(registry_.workers().empty() && watches_.empty())) return false;
    retired_ = true;
    while (!sessions_.empty()) EndSession(std::string(sessions_.begin()->first), status, calls);
    while (!watches_.empty()) EndWatch(std::shared_ptr<WatchState>(watches_.begin()->second), status, calls);
    parts_.store->Forget(name());
  }
  parts_.scheduler->Remove(schedule_id_);
  for (const auto& call : calls) call();
  return true;
}

void DeploymentLoop::Drain(absl::Duration reconnect_delay) {
  Calls calls;
  {
    MutexLock lock(mutex_);
    draining_ = true;
    drain_delay_ = reconnect_delay;
    for (const auto& [number, watch] : watches_) watch->draining_due = true;
    TellAllSessions(calls);
    TellAllWatches(calls);
  }
  for (const auto& call : calls) call();
}

}  // namespace eplb
