#include "server/metrics/deployment_series.h"

namespace eplb {
namespace {

using prometheus::Labels;

Labels Of(const std::string& deployment) { return {{labels::kDeployment, deployment}}; }

Labels Of(const std::string& deployment, const char* label, std::string_view value) {
  return {{labels::kDeployment, deployment}, {label, std::string(value)}};
}

// One series for each value of an enum whose values count up from 0.
template <std::size_t kCount, typename Enum>
std::array<CounterSeries, kCount> ForEach(CounterFamily& family, const std::string& deployment, const char* label,
                                          std::string_view (*name)(Enum)) {
  std::array<CounterSeries, kCount> series;
  for (std::size_t i = 0; i < kCount; ++i) {
    series[i] = CounterSeries(family, Of(deployment, label, name(static_cast<Enum>(i))));
  }
  return series;
}

std::string_view LivenessLabel(Liveness liveness) {
  switch (liveness) {
    case Liveness::kLive:
      return labels::kLive;
    case Liveness::kExpired:
      return labels::kExpired;
    case Liveness::kExcluded:
      break;
  }
  return labels::kExcluded;
}

// A tick without a reason for no change published.
std::string_view TickLabel(UnchangedReason reason) {
  return reason == UnchangedReason::kNone ? labels::kPublished : UnchangedReasonName(reason);
}

}  // namespace

DeploymentFamilies::DeploymentFamilies(prometheus::Registry& registry)
    : reports(AddCounters(registry, metrics::kReports)),
      lost_reports(AddCounters(registry, metrics::kLostReports)),
      liveness_changes(AddCounters(registry, metrics::kLivenessChanges)),
      ticks(AddCounters(registry, metrics::kTicks)),
      plans(AddCounters(registry, metrics::kPlans)),
      gate_decisions(AddCounters(registry, metrics::kGateDecisions)),
      predicted_gain(AddCounters(registry, metrics::kPredictedGain)),
      predicted_cost(AddCounters(registry, metrics::kPredictedCost)),
      publications(AddCounters(registry, metrics::kPublications)),
      moves(AddCounters(registry, metrics::kMoves)),
      moved_bytes(AddCounters(registry, metrics::kMovedBytes)),
      fetched_bytes(AddCounters(registry, metrics::kFetchedBytes)),
      changed_layers(AddCounters(registry, metrics::kChangedLayers)),
      rollouts(AddCounters(registry, metrics::kRollouts)),
      known_since(AddGauges(registry, metrics::kKnownSince)),
      workers(AddGauges(registry, metrics::kWorkers)),
      workers_behind(AddGauges(registry, metrics::kWorkersBehind)),
      reporting_workers(AddGauges(registry, metrics::kReportingWorkers)),
      watchers(AddGauges(registry, metrics::kWatchers)),
      paused(AddGauges(registry, metrics::kPaused)),
      excluded_gpus(AddGauges(registry, metrics::kExcludedGpus)),
      draining_gpus(AddGauges(registry, metrics::kDrainingGpus)),
      last_sub_window(AddGauges(registry, metrics::kLastSubWindow)),
      balancedness(AddGauges(registry, metrics::kBalancedness)),
      predicted_balancedness(AddGauges(registry, metrics::kPredictedBalancedness)),
      worst_balancedness(AddGauges(registry, metrics::kWorstBalancedness)),
      gpu_utilisation(AddGauges(registry, metrics::kGpuUtilisation)),
      step_time(AddGauges(registry, metrics::kStepTime)),
      forecast_error(AddGauges(registry, metrics::kForecastError)),
      imbalance_reduction(AddGauges(registry, metrics::kImbalanceReduction)),
      throughput_gain(AddGauges(registry, metrics::kThroughputGain)),
      layer_balancedness(AddGauges(registry, metrics::kLayerBalancedness)),
      epoch(AddGauges(registry, metrics::kEpoch)),
      revision(AddGauges(registry, metrics::kPlacementRevision)) {}

DeploymentCounters::DeploymentCounters(DeploymentFamilies& families, const std::string& label)
    : reports(ForEach<kNumReportOutcomes>(families.reports, label, labels::kOutcome, ReportOutcomeName)),
      lost_reports(families.lost_reports, Of(label)),
      liveness_changes(ForEach<3>(families.liveness_changes, label, labels::kState, LivenessLabel)),
      ticks(ForEach<kNumUnchangedReasons>(families.ticks, label, labels::kReason, TickLabel)),
      changed_plans(families.plans, Of(label, labels::kOutcome, labels::kChanged)),
      unchanged_plans(families.plans, Of(label, labels::kOutcome, labels::kUnchanged)),
      failed_plans(families.plans, Of(label, labels::kOutcome, labels::kFailed)),
      gate_accepted(families.gate_decisions, Of(label, labels::kDecision, labels::kAccepted)),
      gate_gain_below_cost(families.gate_decisions,
                           Of(label, labels::kDecision, UnchangedReasonName(UnchangedReason::kGainBelowCost))),
      gate_hysteresis(families.gate_decisions,
                      Of(label, labels::kDecision, UnchangedReasonName(UnchangedReason::kHysteresis))),
      predicted_gain(families.predicted_gain, Of(label)),
      predicted_cost(families.predicted_cost, Of(label)),
      publications(families.publications, Of(label)),
      intra_node_moves(families.moves, Of(label, labels::kReach, labels::kIntraNode)),
      inter_node_moves(families.moves, Of(label, labels::kReach, labels::kInterNode)),
      moved_bytes(families.moved_bytes, Of(label)),
      fetched_bytes(families.fetched_bytes, Of(label)),
      changed_layers(families.changed_layers, Of(label)),
      rollouts(ForEach<kNumRolloutOutcomes>(families.rollouts, label, labels::kOutcome, RolloutOutcomeName)) {}

DeploymentGauges::DeploymentGauges(DeploymentFamilies& families, const std::string& label)
    : known_since(families.known_since, Of(label)),
      workers{GaugeSeries(families.workers, Of(label, labels::kState, labels::kLive)),
              GaugeSeries(families.workers, Of(label, labels::kState, labels::kExpired)),
              GaugeSeries(families.workers, Of(label, labels::kState, labels::kExcluded))},
      workers_behind(families.workers_behind, Of(label)),
      reporting_workers(families.reporting_workers, Of(label)),
      watchers(families.watchers, Of(label)),
      paused(families.paused, Of(label)),
      excluded_gpus(families.excluded_gpus, Of(label)),
      draining_gpus(families.draining_gpus, Of(label)),
      epoch(families.epoch, Of(label)),
      revision(families.revision, Of(label)) {}

PhaseGauges::PhaseGauges(DeploymentFamilies& families, const std::string& label, const char* phase)
    : balancedness(families.balancedness, Of(label, labels::kPhase, phase)),
      worst_balancedness(families.worst_balancedness, Of(label, labels::kPhase, phase)),
      gpu_utilisation(families.gpu_utilisation, Of(label, labels::kPhase, phase)),
      step_time(families.step_time,
                {{labels::kDeployment, label}, {labels::kPhase, phase}, {labels::kPlacement, labels::kLive}}) {}

ComparisonGauges::ComparisonGauges(DeploymentFamilies& families, const std::string& label)
    : last_sub_window(families.last_sub_window, Of(label)),
      contiguous_step_time(families.step_time, {{labels::kDeployment, label},
                                                {labels::kPhase, labels::kAllPhases},
                                                {labels::kPlacement, labels::kContiguous}}),
      imbalance_reduction(families.imbalance_reduction, Of(label)),
      throughput_gain(families.throughput_gain, Of(label)) {}

PredictionGauges::PredictionGauges(DeploymentFamilies& families, const std::string& label)
    : step_time(families.step_time, {{labels::kDeployment, label},
                                     {labels::kPhase, labels::kAllPhases},
                                     {labels::kPlacement, labels::kPredicted}}),
      forecast_error(families.forecast_error, Of(label)) {}

}  // namespace eplb
