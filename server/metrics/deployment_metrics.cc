#include "server/metrics/deployment_metrics.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace eplb {
namespace {

constexpr std::array<const char*, kNumPhases + 1> kPhaseLabels = {"unspecified", "prefill", "decode",
                                                                  labels::kAllPhases};

std::size_t PhaseIndex(std::optional<Phase> phase) { return phase ? static_cast<std::size_t>(*phase) : kNumPhases; }

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

// Part of the contiguous placement's imbalance that is gone; a contiguous placement that is balanced leaves nothing.
double ImbalanceReduction(double contiguous_step_time, double live_step_time) {
  const double before = contiguous_step_time - 1;
  return before > 0 ? 1 - (live_step_time - 1) / before : 0;
}

}  // namespace

SharedSeries::SharedSeries(prometheus::Registry& registry)
    : report_lag(metrics::kReportLag, LatencyBuckets()),
      plan_duration(AddHistograms(registry, metrics::kPlanDuration).Add({}, LatencyBuckets())) {
  auto& rejected = AddCounters(registry, metrics::kRejections);
  for (std::size_t i = 0; i < rejections.size(); ++i) {
    const std::string_view reason = RejectionReasonName(static_cast<RejectionReason>(i));
    rejections[i] = &rejected.Add({{labels::kReason, std::string(reason)}});
  }
  auto& acknowledgements = AddHistograms(registry, metrics::kAcknowledgementLatency);
  for (std::size_t i = 0; i < acknowledgement_latency.size(); ++i) {
    const std::string_view state = PlacementStateName(static_cast<PlacementState>(i));
    acknowledgement_latency[i] = &acknowledgements.Add({{labels::kState, std::string(state)}}, LatencyBuckets());
  }
  auto& rollouts = AddHistograms(registry, metrics::kRolloutDuration);
  for (std::size_t i = 0; i < rollout_duration.size(); ++i) {
    const std::string_view outcome = RolloutOutcomeName(static_cast<RolloutOutcome>(i));
    rollout_duration[i] = &rollouts.Add({{labels::kOutcome, std::string(outcome)}}, LatencyBuckets());
  }
}

LabelledSeries::LabelledSeries(DeploymentFamilies& families, const std::string& deployment,
                               std::vector<std::string> layers, absl::Time now)
    : counters(families, deployment),
      families_(families),
      label_(deployment),
      layer_labels_(std::move(layers)),
      gauges_(families, deployment) {
  gauges_.known_since.Set(UnixSeconds(now));
}

void LabelledSeries::SetWorkers(int live, int expired, int excluded, int watchers) {
  gauges_.workers[static_cast<std::size_t>(Liveness::kLive)].Set(live);
  gauges_.workers[static_cast<std::size_t>(Liveness::kExpired)].Set(expired);
  gauges_.workers[static_cast<std::size_t>(Liveness::kExcluded)].Set(excluded);
  gauges_.watchers.Set(watchers);
}

void LabelledSeries::SetBehind(int workers) { gauges_.workers_behind.Set(workers); }

void LabelledSeries::SetVersion(PlacementVersion version) {
  gauges_.epoch.Set(static_cast<double>(version.epoch) / 1e9);
  gauges_.revision.Set(static_cast<double>(version.revision));
}

void LabelledSeries::SetControl(const DeploymentControl& control) {
  gauges_.paused.Set(control.mode == DeploymentMode::kPaused ? 1 : 0);
  gauges_.excluded_gpus.Set(static_cast<double>(control.excluded_gpus.size()));
  gauges_.draining_gpus.Set(static_cast<double>(control.draining_gpus.size()));
}

void LabelledSeries::SetBalance(const SubWindowFigures& figures, absl::Time now) {
  MutexLock lock(mutex_);
  SetPhase(figures);
  if (figures.phase) return;
  gauges_.reporting_workers.Set(figures.reporting_workers);
  SetComparison(figures, now);
  SetLayers(figures);
}

void LabelledSeries::SetPhase(const SubWindowFigures& figures) {
  const std::size_t index = PhaseIndex(figures.phase);
  std::optional<PhaseGauges>& gauges = phases_[index];
  if (!gauges) gauges.emplace(families_, label_, kPhaseLabels[index]);
  const double step_time = StepTime(figures.live);
  gauges->balancedness.Set(MeanBalancedness(figures.live));
  gauges->worst_balancedness.Set(WorstBalancedness(figures.live));
  gauges->gpu_utilisation.Set(1 / step_time);
  gauges->step_time.Set(step_time);
}

void LabelledSeries::SetPredicted(std::optional<Phase> phase, double balancedness) {
  MutexLock lock(mutex_);
  const std::size_t index = PhaseIndex(phase);
  std::optional<GaugeSeries>& gauge = predicted_[index];
  if (!gauge) {
    gauge.emplace(families_.predicted_balancedness,
                  prometheus::Labels{{labels::kDeployment, label_}, {labels::kPhase, kPhaseLabels[index]}});
  }
  gauge->Set(balancedness);
}

void LabelledSeries::SetComparison(const SubWindowFigures& figures, absl::Time now) {
  const double live = StepTime(figures.live);
  if (!comparison_) comparison_.emplace(families_, label_);
  comparison_->last_sub_window.Set(UnixSeconds(now));
  if (!figures.contiguous.empty()) {
    const double contiguous = StepTime(figures.contiguous);
    comparison_->contiguous_step_time.Set(contiguous);
    comparison_->imbalance_reduction.Set(ImbalanceReduction(contiguous, live));
    comparison_->throughput_gain.Set(contiguous / live);
  }
  if (figures.predicted_step_time) {
    if (!prediction_) prediction_.emplace(families_, label_);
    prediction_->step_time.Set(*figures.predicted_step_time);
    prediction_->forecast_error.Set(std::abs(*figures.predicted_step_time - live) / live);
  }
}

void LabelledSeries::SetLayers(const SubWindowFigures& figures) {
  const std::size_t count = std::min(layer_labels_.size(), figures.live.size());
  for (std::size_t i = layers_.size(); i < count; ++i) {
    layers_.emplace_back(families_.layer_balancedness,
                         prometheus::Labels{{labels::kDeployment, label_}, {labels::kLayer, layer_labels_[i]}});
  }
  for (std::size_t i = 0; i < count; ++i) layers_[i].Set(figures.live[i].balancedness());
}

void DeploymentMetrics::OnReport(ReportOutcome outcome, std::optional<absl::Duration> lag) {
  counters_.reports[static_cast<std::size_t>(outcome)].Increment();
  if (lag) shared_.report_lag.Observe(absl::ToDoubleSeconds(*lag));
}

void DeploymentMetrics::OnLostReports(std::int64_t count) {
  counters_.lost_reports.Increment(static_cast<double>(count));
}

void DeploymentMetrics::OnWorkers(int live, int expired, int excluded, int watchers) {
  if (labelled_ != nullptr) labelled_->SetWorkers(live, expired, excluded, watchers);
}

void DeploymentMetrics::OnLiveness(std::string_view /*worker_id*/, Liveness now) {
  counters_.liveness_changes[static_cast<std::size_t>(now)].Increment();
}

void DeploymentMetrics::OnSubWindow(const SubWindowFigures& figures) {
  if (labelled_ != nullptr) labelled_->SetBalance(figures, clock_.Now());
}

void DeploymentMetrics::OnPredicted(std::optional<Phase> phase, double balancedness) {
  if (labelled_ != nullptr) labelled_->SetPredicted(phase, balancedness);
}

void DeploymentMetrics::OnTick(UnchangedReason reason) {
  counters_.ticks[static_cast<std::size_t>(reason)].Increment();
}

void DeploymentMetrics::OnPlan(const absl::Status& status, const TickPlan* plan, PlanUse use, absl::Duration duration) {
  shared_.plan_duration.Observe(absl::ToDoubleSeconds(duration));
  if (!status.ok() || plan == nullptr) {
    counters_.failed_plans.Increment();
    return;
  }
  if (use == PlanUse::kGated) CountGate(*plan);
  if (plan->unchanged != UnchangedReason::kNone) {
    counters_.unchanged_plans.Increment();
    return;
  }
  counters_.changed_plans.Increment();
}

void DeploymentMetrics::CountGate(const TickPlan& plan) {
  if (plan.unchanged == UnchangedReason::kNone) counters_.gate_accepted.Increment();
  if (plan.unchanged == UnchangedReason::kGainBelowCost) counters_.gate_gain_below_cost.Increment();
  if (plan.unchanged == UnchangedReason::kHysteresis) counters_.gate_hysteresis.Increment();
}

void DeploymentMetrics::OnPublish(PlacementVersion version, const PublishFigures& figures) {
  counters_.publications.Increment();
  counters_.intra_node_moves.Increment(static_cast<double>(figures.intra_node_fetches));
  counters_.inter_node_moves.Increment(static_cast<double>(figures.inter_node_fetches));
  counters_.moved_bytes.Increment(static_cast<double>(figures.fetched_bytes));
  counters_.changed_layers.Increment(figures.layers_changed);
  counters_.predicted_gain.Increment(std::max(0.0, figures.gain_gpu_seconds));
  counters_.predicted_cost.Increment(std::max(0.0, figures.cost_gpu_seconds));
  if (labelled_ != nullptr) labelled_->SetVersion(version);
}

void DeploymentMetrics::OnAcknowledgement(const PlacementStatus& status, absl::Duration elapsed) {
  shared_.acknowledgement_latency[static_cast<std::size_t>(status.state)]->Observe(absl::ToDoubleSeconds(elapsed));
  if (status.state == PlacementState::kApplied) {
    counters_.fetched_bytes.Increment(static_cast<double>(std::max<std::int64_t>(0, status.fetched_bytes)));
  }
  if (status.state != PlacementState::kRejected) return;
  shared_.rejections[static_cast<std::size_t>(status.reason)]->Increment();
}

void DeploymentMetrics::OnRollout(PlacementVersion /*version*/, RolloutOutcome outcome, std::string_view /*worker_id*/,
                                  std::string_view /*detail*/, absl::Duration elapsed) {
  counters_.rollouts[static_cast<std::size_t>(outcome)].Increment();
  shared_.rollout_duration[static_cast<std::size_t>(outcome)]->Observe(absl::ToDoubleSeconds(elapsed));
}

void DeploymentMetrics::OnBehind(int workers) {
  if (labelled_ != nullptr) labelled_->SetBehind(workers);
}

void DeploymentMetrics::OnControl(const DeploymentControl& control) {
  if (labelled_ != nullptr) labelled_->SetControl(control);
}

}  // namespace eplb
