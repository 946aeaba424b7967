#ifndef EPLB_SERVER_METRICS_DEPLOYMENT_SERIES_H_
#define EPLB_SERVER_METRICS_DEPLOYMENT_SERIES_H_

#include <prometheus/registry.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "server/metrics/families.h"
#include "server/metrics/series.h"
#include "server/placement/placement_status.h"
#include "server/placement/rollout.h"
#include "server/planner/hub_observer.h"
#include "server/telemetry/load_report.h"

namespace eplb {

using CounterFamily = prometheus::Family<prometheus::Counter>;
using GaugeFamily = prometheus::Family<prometheus::Gauge>;
using CounterSeries = Series<prometheus::Counter>;
using GaugeSeries = Series<prometheus::Gauge>;

// The families whose series belong to deployments. The registry must outlive it.
struct DeploymentFamilies {
  explicit DeploymentFamilies(prometheus::Registry& registry);

  CounterFamily& reports;
  CounterFamily& lost_reports;
  CounterFamily& liveness_changes;
  CounterFamily& ticks;
  CounterFamily& plans;
  CounterFamily& gate_decisions;
  CounterFamily& predicted_gain;
  CounterFamily& predicted_cost;
  CounterFamily& publications;
  CounterFamily& moves;
  CounterFamily& moved_bytes;
  CounterFamily& fetched_bytes;
  CounterFamily& changed_layers;
  CounterFamily& rollouts;

  GaugeFamily& known_since;
  GaugeFamily& workers;
  GaugeFamily& workers_behind;
  GaugeFamily& reporting_workers;
  GaugeFamily& watchers;
  GaugeFamily& paused;
  GaugeFamily& excluded_gpus;
  GaugeFamily& draining_gpus;
  GaugeFamily& last_sub_window;
  GaugeFamily& balancedness;
  GaugeFamily& predicted_balancedness;
  GaugeFamily& worst_balancedness;
  GaugeFamily& gpu_utilisation;
  GaugeFamily& step_time;
  GaugeFamily& forecast_error;
  GaugeFamily& imbalance_reduction;
  GaugeFamily& throughput_gain;
  GaugeFamily& layer_balancedness;
  GaugeFamily& epoch;
  GaugeFamily& revision;
};

// What a deployment has done: from 0 on, so that rates over it start at 0. Thread-safe.
struct DeploymentCounters {
  DeploymentCounters(DeploymentFamilies& families, const std::string& label);

  std::array<CounterSeries, kNumReportOutcomes> reports;  // by ReportOutcome
  CounterSeries lost_reports;
  std::array<CounterSeries, 3> liveness_changes;          // by Liveness
  std::array<CounterSeries, kNumUnchangedReasons> ticks;  // by UnchangedReason
  CounterSeries changed_plans;
  CounterSeries unchanged_plans;
  CounterSeries failed_plans;
  CounterSeries gate_accepted;
  CounterSeries gate_gain_below_cost;
  CounterSeries gate_hysteresis;
  CounterSeries predicted_gain;
  CounterSeries predicted_cost;
  CounterSeries publications;
  CounterSeries intra_node_moves;
  CounterSeries inter_node_moves;
  CounterSeries moved_bytes;
  CounterSeries fetched_bytes;
  CounterSeries changed_layers;
  std::array<CounterSeries, kNumRolloutOutcomes> rollouts;  // by RolloutOutcome
};

// How a deployment is, under its own label. Balance appears once it was measured.
struct DeploymentGauges {
  DeploymentGauges(DeploymentFamilies& families, const std::string& label);

  GaugeSeries known_since;
  std::array<GaugeSeries, 3> workers;  // by Liveness
  GaugeSeries workers_behind;
  GaugeSeries reporting_workers;
  GaugeSeries watchers;
  GaugeSeries paused;
  GaugeSeries excluded_gpus;
  GaugeSeries draining_gpus;
  GaugeSeries epoch;
  GaugeSeries revision;
};

// Balance of one phase, or of all.
struct PhaseGauges {
  PhaseGauges(DeploymentFamilies& families, const std::string& label, const char* phase);

  GaugeSeries balancedness;
  GaugeSeries worst_balancedness;
  GaugeSeries gpu_utilisation;
  GaugeSeries step_time;
};

// Against what the balance of all phases is held.
struct ComparisonGauges {
  ComparisonGauges(DeploymentFamilies& families, const std::string& label);

  GaugeSeries last_sub_window;
  GaugeSeries contiguous_step_time;
  GaugeSeries imbalance_reduction;
  GaugeSeries throughput_gain;
};

// What the newest plan foretold, where there was one.
struct PredictionGauges {
  PredictionGauges(DeploymentFamilies& families, const std::string& label);

  GaugeSeries step_time;
  GaugeSeries forecast_error;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_DEPLOYMENT_SERIES_H_
