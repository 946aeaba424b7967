// Planning and publishing of a deployment.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/planner/deployment_loop.h"

namespace eplb {
namespace {

// Sub-windows older than so many intervals are not planned from.
constexpr int kStaleIntervals = 6;
// A plan on request is made anew so often where the deployment changes meanwhile.
constexpr int kPlanAttempts = 3;

std::vector<int> Union(std::vector<int> a, const std::vector<int>& b) {
  a.insert(a.end(), b.begin(), b.end());
  std::sort(a.begin(), a.end());
  a.erase(std::unique(a.begin(), a.end()), a.end());
  return a;
}

std::vector<int> Difference(const std::vector<int>& a, const std::vector<int>& b) {
  std::vector<int> difference;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(difference));
  return difference;
}

bool HoldsOnExcluded(const Placement& placement, const Topology& topology) {
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (!topology.excluded(gpu)) continue;
    for (int layer = 0; layer < placement.num_layers(); ++layer) {
      const auto slots = placement.layer(layer).subspan(static_cast<std::size_t>(topology.first_slot(gpu)),
                                                        static_cast<std::size_t>(topology.slots_on(gpu)));
      if (std::any_of(slots.begin(), slots.end(), [](std::int32_t expert) { return expert != kEmptySlot; }))
        return true;
    }
  }
  return false;
}

// What a request asks for and its way of planning would leave out of account.
absl::Status CheckOptions(const PlanOverrides& asked, const PlanSettings& settings) {
  const bool reference = IsReference(settings.policy);
  FieldErrors errors("options.");
  if (reference && asked.budget && !asked.budget->unlimited()) errors.Add("budget", "", "needs the optimized policy");
  if (settings.policy == Policy::kGlobal && asked.honour_groups.value_or(false)) {
    errors.Add("honour_groups", "true", "must be false with the global policy, which ignores groups");
  }
  if (reference && asked.work_limit) {
    errors.Add("work_limit", absl::StrCat(*asked.work_limit), "needs the optimized policy");
  }
  if (!reference && asked.work_limit && !settings.budget.unlimited()) {
    errors.Add("work_limit", absl::StrCat(*asked.work_limit), "must be 0 with a budget, which bounds the plan");
  }
  return errors.ToStatus();
}

std::span<const double> SharesOf(const VersionedPlacement& placement) {
  return placement.slot_shares == nullptr ? std::span<const double>() : *placement.slot_shares;
}

absl::Status NoGpuLeft(const DeploymentSpec& spec) {
  return absl::FailedPreconditionError(absl::StrCat("all ", spec.topology().num_gpus(),
                                                    " GPUs are excluded, draining or silent: ", spec.num_experts(),
                                                    " experts cannot be placed in any layer"));
}

PublishFigures CountFetches(const TickPlan& plan, const Topology& topology, std::int64_t bytes_per_expert) {
  PublishFigures figures;
  std::vector<bool> changed(plan.plan.layers.size(), false);
  for (const Transfer& transfer : plan.plan.transfers) {
    if (static_cast<std::size_t>(transfer.layer) < changed.size())
      changed[static_cast<std::size_t>(transfer.layer)] = true;
  }
  const TransferCounts counts = CountTransfers(plan.plan.transfers, topology);
  figures.intra_node_fetches = counts.within_node;
  figures.inter_node_fetches = counts.inter_node_fetches();
  figures.layers_changed = static_cast<int>(std::count(changed.begin(), changed.end(), true));
  figures.fetched_bytes = (figures.intra_node_fetches + figures.inter_node_fetches) * bytes_per_expert;
  return figures;
}

}  // namespace

bool DeploymentLoop::SubscribersReady() const {
  if (spec_->coordination() == CoordinationMode::kOneSubscriber) {
    for (const auto& [worker_id, watch] : subscribers_) {
      const WorkerRecord* record = registry_.Find(worker_id);
      if (record != nullptr && record->liveness == Liveness::kLive) return true;
    }
    return false;
  }
  for (const auto& [worker_id, record] : registry_.workers()) {
    if (record.liveness == Liveness::kLive && subscribers_.find(worker_id) == subscribers_.end()) return false;
  }
  return true;
}

std::set<std::string, std::less<>> DeploymentLoop::RequiredWorkers() const {
  std::set<std::string, std::less<>> required;
  if (spec_->coordination() == CoordinationMode::kAllRanks) {
    for (const auto& [id, record] : registry_.workers()) {
      if (record.liveness == Liveness::kLive) required.insert(id);
    }
  } else {
    for (const auto& [id, watch] : subscribers_) required.insert(id);
  }
  return required;
}

std::optional<DeploymentLoop::PlanJob> DeploymentLoop::PrepareTick(absl::Duration now) {
  const UnchangedReason reason = WhyNotPlan(now, /*force=*/false);
  if (reason != UnchangedReason::kNone) {
    NoteTick(reason);
    return std::nullopt;
  }
  replan_ = false;
  absl::StatusOr<PlanJob> job = PreparePlan({});
  if (!job.ok()) {
    NoteFailure(job.status(), now);
    return std::nullopt;
  }
  Pace(now, *job);
  return *std::move(job);
}

// What an automatic plan may fetch of the window at hand. What must leave its GPUs is not held up, but counts.
void DeploymentLoop::Pace(absl::Duration now, PlanJob& job) {
  if (!pacer_ || job.force || IsReference(job.settings.policy)) return;
  if (now >= fetch_window_end_) {
    pacer_->StartWindow();
    fetch_window_end_ = now + parts_.options->fetch_window;
  }
  const double plans_left = std::ceil(absl::FDivDuration(fetch_window_end_ - now, interval_told_));
  job.allowance = pacer_->Next(std::max(1, static_cast<int>(plans_left)));
  LimitTotal(job.allowance->most, job.settings.budget);
}

UnchangedReason DeploymentLoop::WhyNotPlan(absl::Duration now, bool force) const {
  const WorkerRegistry* const registry = &registry_;  // for a function that is called under the lock alone
  const auto counts = [registry](std::string_view worker_id) {
    const WorkerRecord* record = registry->Find(worker_id);
    return record != nullptr && record->liveness != Liveness::kExcluded;
  };
  if (tracker_.ContentsAwaitedFrom(now, counts)) return UnchangedReason::kAwaitingWorkers;
  if (!force) {
    if (draining_ || control_->mode == DeploymentMode::kPaused) return UnchangedReason::kPaused;
    if (registry_.AwaitsUnclaimedRanks()) return UnchangedReason::kWarmingUp;
    // All ranks switch at once: one that is silent but alive must not be left behind. Where one subscriber switches for
    // all, planning goes on with the last loads of the silent ones.
    const bool all_at_once = spec_->coordination() == CoordinationMode::kAllRanks;
    if (all_at_once && registry_.CountOf(Liveness::kExpired) > 0) return UnchangedReason::kAwaitingWorkers;
    if (!SubscribersReady() || tracker_.rollout() != nullptr) return UnchangedReason::kAwaitingWorkers;
    if (now < backoff_.until()) return infeasible_ ? UnchangedReason::kInfeasible : UnchangedReason::kBackingOff;
  }
  // Nobody would get it, and yet it would be in force.
  if (force && RequiredWorkers().empty()) return UnchangedReason::kAwaitingWorkers;
  if (history_.size() == 0) return only_warmup_ ? UnchangedReason::kWarmingUp : UnchangedReason::kNoLoad;
  const bool stale = now - *history_.newest_time() > kStaleIntervals * liveness_interval_;
  return stale && !force && !replan_ ? UnchangedReason::kStaleTelemetry : UnchangedReason::kNone;
}

absl::Status DeploymentLoop::CheckPlaceable(const DeploymentControl& control) const {
  TopologyOptions options = spec_->topology_options();
  options.excluded_gpus = Union(Union(registry_.ExcludedRanks(), control.excluded_gpus), control.draining_gpus);
  if (std::ssize(options.excluded_gpus) == options.num_gpus) return NoGpuLeft(*spec_);
  EPLB_ASSIGN_OR_RETURN(const Topology topology, Topology::Create(std::move(options)));
  const int num_layers = spec_->num_layers();
  const int num_experts = spec_->num_experts();
  EPLB_RETURN_IF_ERROR(CheckConstraints(spec_->constraints(), num_layers, num_experts, topology));
  return CheckFeasible(spec_->constraints(), num_layers, num_experts, topology,
                       tracker_.in_force() == nullptr ? nullptr : tracker_.in_force()->placement.get());
}

absl::StatusOr<DeploymentLoop::PlanJob> DeploymentLoop::PreparePlan(const RebalanceNowRequest& request) const {
  PlanJob job;
  const std::vector<int> silent = registry_.ExcludedRanks();
  std::vector<int> dead = Union(Union(silent, control_->excluded_gpus), request.excluded_gpus);
  job.unusable_gpus = Union(Union(dead, control_->draining_gpus), request.draining_gpus);
  TopologyOptions topology_options = spec_->topology_options();
  if (std::ssize(job.unusable_gpus) == topology_options.num_gpus) return NoGpuLeft(*spec_);
  topology_options.excluded_gpus = job.unusable_gpus;
  topology_options.draining_gpus = Difference(job.unusable_gpus, dead);
  EPLB_ASSIGN_OR_RETURN(Topology topology, Topology::Create(std::move(topology_options)));
  job.topology = std::make_shared<const Topology>(std::move(topology));
  job.history = history_.Combined(spec_->phase_weights());
  if (job.history.empty()) return absl::FailedPreconditionError("no loads yet that count");
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    job.phases[phase] = history_.NewestOf(static_cast<Phase>(phase));
  }
  job.expert_time_ratio = history_.newest_expert_time_ratio();
  job.base = *tracker_.in_force();
  PlanSettings settings = parts_.options->plan;
  if (spec_->bytes_per_expert() > 0) settings.bytes_per_expert = spec_->bytes_per_expert();
  job.settings = Overlay(Overlay(std::move(settings), overrides_), request.options);
  EPLB_RETURN_IF_ERROR(CheckOptions(request.options, job.settings));
  job.constraints = request.constraints.value_or(spec_->constraints());
  job.constraints.honour_groups = spec_->constraints().honour_groups || job.settings.honour_groups;
  job.evacuates = HoldsOnExcluded(*job.base.placement, *job.topology);
  job.force = request.force || job.evacuates;
  job.publish = !request.validate_only;
  job.generation = generation_;
  return job;
}

absl::StatusOr<TickPlan> DeploymentLoop::Plan(const PlanJob& job) {
  const TickInput input{.topology = job.topology.get(),
                        .history = job.history,
                        .expert_time_ratio = job.expert_time_ratio,
                        .current = job.base.placement.get(),
                        .current_shares = SharesOf(job.base),
                        .constraints = job.constraints,
                        .settings = job.settings,
                        .usual_fetches = job.allowance ? std::optional(job.allowance->usual) : std::nullopt,
                        .extra_gain = job.allowance ? job.allowance->extra_gain : 0.0,
                        .force = job.force,
                        .evacuates = job.evacuates,
                        .for_people = job.for_people,
                        .stop = job.stop};
  const absl::Duration start = parts_.clock->Monotonic();
  absl::StatusOr<TickPlan> plan = parts_.planner->Plan(input);
  if (plan.ok() && plan->unchanged == UnchangedReason::kNone && !plan->only_shares &&
      plan->plan.placement == *job.base.placement) {
    plan->unchanged = UnchangedReason::kNoBetterPlacement;
  }
  // One that was given up says nothing of the deployment.
  if (absl::IsCancelled(plan.status())) return plan;
  const PlanUse use = !job.publish ? PlanUse::kDryRun : job.force ? PlanUse::kForced : PlanUse::kGated;
  observer_->OnPlan(plan.status(), plan.ok() ? &*plan : nullptr, use, parts_.clock->Monotonic() - start);
  return plan;
}

void DeploymentLoop::TellPredicted(const PlanJob& job, const TickPlan& plan) const {
  observer_->OnPredicted(std::nullopt, plan.plan.balancedness_after());
  const std::span<const double> shares = plan.slot_shares == nullptr ? std::span<const double>() : *plan.slot_shares;
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    if (!job.phases[phase]) continue;
    const auto layers = MeasureBalance(plan.plan.placement, *job.phases[phase], *job.topology, shares);
    observer_->OnPredicted(static_cast<Phase>(phase), MeanBalancedness(layers));
  }
}

bool DeploymentLoop::StillValid(const PlanJob& job) const {
  return !draining_ && !retired_ && job.generation == generation_;
}

void DeploymentLoop::NotePlan(const absl::StatusOr<TickPlan>& plan) {
  figures_.last_plan_time = parts_.clock->Now();
  if (!plan.ok()) return;
  if (std::exchange(plan_failed_, false)) figures_.last_error.clear();
  infeasible_ = false;
  figures_.predicted_step_time = plan->predicted_step_time;
}

void DeploymentLoop::NoteFailure(const absl::Status& status, absl::Duration now) {
  plan_failed_ = true;
  infeasible_ = absl::IsFailedPrecondition(status);
  figures_.last_error = std::string(status.message());
  backoff_.Fail(now);
  NoteTick(infeasible_ ? UnchangedReason::kInfeasible : UnchangedReason::kBackingOff);
}

PlacementVersion DeploymentLoop::Publish(const PlanJob& job, const TickPlan& plan, absl::Duration now, Calls& calls) {
  tracker_.GiveUp("superseded by a forced plan", now);  // where one is still pending
  const PlacementVersion version = tracker_.Publish(
      std::make_shared<const Placement>(plan.plan.placement), plan.slot_shares,
      std::make_shared<const std::vector<Transfer>>(plan.plan.transfers), RequiredWorkers(), now, plan.loads);
  PublishFigures figures = CountFetches(plan, *job.topology, job.settings.bytes_per_expert);
  figures.gain_gpu_seconds = plan.gain_gpu_seconds;
  figures.cost_gpu_seconds = plan.cost_gpu_seconds;
  const std::int64_t fetches = figures.intra_node_fetches + figures.inter_node_fetches;
  figures_.fetches += fetches;
  if (pacer_) pacer_->Note(plan.plan, fetches);
  figures_.fetched_bytes += figures.fetched_bytes;
  observer_->OnPublish(version, figures);
  Settle(now, calls);
  return version;
}

void DeploymentLoop::ForgetInfeasible() {
  if (std::exchange(infeasible_, false)) backoff_.Reset();
}

void DeploymentLoop::NoteTick(UnchangedReason reason) {
  figures_.unchanged_reason = reason;
  observer_->OnTick(reason);
}

// One tick's plan, made without the lock: what came in meanwhile makes it void.
void DeploymentLoop::PlanTick(const PlanJob& job, absl::Duration now) {
  const absl::StatusOr<TickPlan> plan = Plan(job);
  if (plan.ok()) TellPredicted(job, *plan);
  Calls calls;
  {
    MutexLock lock(mutex_);
    NotePlan(plan);
    if (!plan.ok()) {
      NoteFailure(plan.status(), now);
    } else if (plan->unchanged == UnchangedReason::kNone && StillValid(job)) {
      Publish(job, *plan, now, calls);
      NoteTick(UnchangedReason::kNone);
    } else {
      if (pacer_) pacer_->Note(plan->plan, 0);
      const bool is_void = plan->unchanged == UnchangedReason::kNone;
      NoteTick(is_void ? UnchangedReason::kAwaitingWorkers : plan->unchanged);
    }
  }
  for (const auto& call : calls) call();
}

absl::StatusOr<RebalanceNowResult> DeploymentLoop::RebalanceNow(const RebalanceNowRequest& request) {
  for (int attempt = 0; attempt < kPlanAttempts; ++attempt) {
    PlanJob job;
    UnchangedReason reason = UnchangedReason::kNone;
    {
      MutexLock lock(mutex_);
      if (retired_) return absl::NotFoundError("the deployment is not known");
      reason = WhyNotPlan(parts_.clock->Monotonic(), request.force);
      if (tracker_.in_force() == nullptr) return absl::FailedPreconditionError("no worker has told its placement yet");
      EPLB_ASSIGN_OR_RETURN(job, PreparePlan(request));
      job.for_people = true;
      job.stop = request.stop;
    }
    EPLB_ASSIGN_OR_RETURN(TickPlan plan, Plan(job));
    if (plan.unchanged == UnchangedReason::kNone && job.publish) plan.unchanged = reason;
    RebalanceNowResult result{.spec = spec_, .topology = job.topology, .base = job.base, .plan = std::move(plan)};
    if (!job.publish || result.plan.unchanged != UnchangedReason::kNone) return result;
    Calls calls;
    {
      MutexLock lock(mutex_);
      if (draining_) return absl::UnavailableError("the service is about to stop");
      if (!StillValid(job)) continue;
      result.version = Publish(job, result.plan, parts_.clock->Monotonic(), calls);
      figures_.predicted_step_time = result.plan.predicted_step_time;
      NoteTick(UnchangedReason::kNone);
    }
    for (const auto& call : calls) call();
    RunSoon();
    return result;
  }
  return absl::AbortedError("the deployment kept changing while it was planned; try again");
}

}  // namespace eplb
