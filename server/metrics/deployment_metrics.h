#ifndef EPLB_SERVER_METRICS_DEPLOYMENT_METRICS_H_
#define EPLB_SERVER_METRICS_DEPLOYMENT_METRICS_H_

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/metrics/atomic_histogram.h"
#include "server/metrics/deployment_series.h"
#include "server/planner/hub_observer.h"

namespace eplb {

// Series that all deployments share, as none of them would be read by itself. Thread-safe.
struct SharedSeries {
  explicit SharedSeries(prometheus::Registry& registry);

  AtomicHistogram report_lag;  // on the hot path
  prometheus::Histogram& plan_duration;
  std::array<prometheus::Histogram*, 5> acknowledgement_latency;             // by PlacementState
  std::array<prometheus::Histogram*, kNumRolloutOutcomes> rollout_duration;  // by RolloutOutcome
  std::array<prometheus::Counter*, kNumRejectionReasons> rejections;         // by RejectionReason
};

// All series of one deployment, which leave the page with it. Thread-safe.
class LabelledSeries {
 public:
  // `layers` are the label values of per-layer series; empty: none.
  LabelledSeries(DeploymentFamilies& families, const std::string& deployment, std::vector<std::string> layers,
                 absl::Time now);

  DeploymentCounters counters;

  void SetWorkers(int live, int expired, int excluded, int watchers);
  void SetBehind(int workers);
  void SetVersion(PlacementVersion version);
  void SetControl(const DeploymentControl& control);
  void SetBalance(const SubWindowFigures& figures, absl::Time now) EPLB_EXCLUDES(mutex_);
  void SetPredicted(std::optional<Phase> phase, double balancedness) EPLB_EXCLUDES(mutex_);

 private:
  void SetPhase(const SubWindowFigures& figures) EPLB_REQUIRES(mutex_);
  void SetComparison(const SubWindowFigures& figures, absl::Time now) EPLB_REQUIRES(mutex_);
  void SetLayers(const SubWindowFigures& figures) EPLB_REQUIRES(mutex_);

  DeploymentFamilies& families_;
  const std::string label_;
  const std::vector<std::string> layer_labels_;
  DeploymentGauges gauges_;
  Mutex mutex_;
  std::array<std::optional<GaugeSeries>, kNumPhases + 1> predicted_ EPLB_GUARDED_BY(mutex_);  // by Phase; last: all
  std::array<std::optional<PhaseGauges>, kNumPhases + 1> phases_ EPLB_GUARDED_BY(mutex_);     // by Phase; last: all
  std::optional<ComparisonGauges> comparison_ EPLB_GUARDED_BY(mutex_);
  std::optional<PredictionGauges> prediction_ EPLB_GUARDED_BY(mutex_);
  std::vector<GaugeSeries> layers_ EPLB_GUARDED_BY(mutex_);
};

// Whose series a deployment's events go to: its own, or where labels are spent only the counters that all such share.
struct SeriesOfDeployment {
  DeploymentCounters* counters = nullptr;  // never null
  LabelledSeries* labelled = nullptr;      // null: under "other"
};

// Fills the series with what happens in one deployment. Thread-safe; what it is given must outlive it.
class DeploymentMetrics : public DeploymentObserver {
 public:
  DeploymentMetrics(SharedSeries& shared, SeriesOfDeployment series, const Clock& clock)
      : shared_(shared), counters_(*series.counters), labelled_(series.labelled), clock_(clock) {}

  void OnReport(ReportOutcome outcome, std::optional<absl::Duration> lag) override;
  void OnLostReports(std::int64_t count) override;
  void OnWorkers(int live, int expired, int excluded, int watchers) override;
  void OnLiveness(std::string_view worker_id, Liveness now) override;
  void OnSubWindow(const SubWindowFigures& figures) override;
  void OnPredicted(std::optional<Phase> phase, double balancedness) override;
  void OnTick(UnchangedReason reason) override;
  void OnPlan(const absl::Status& status, const TickPlan* plan, PlanUse use, absl::Duration duration) override;
  void OnPublish(PlacementVersion version, const PublishFigures& figures) override;
  void OnAcknowledgement(const PlacementStatus& status, absl::Duration elapsed) override;
  void OnRollout(PlacementVersion version, RolloutOutcome outcome, std::string_view worker_id, std::string_view detail,
                 absl::Duration elapsed) override;
  void OnBehind(int workers) override;
  void OnControl(const DeploymentControl& control) override;

 private:
  void CountGate(const TickPlan& plan);

  SharedSeries& shared_;
  DeploymentCounters& counters_;
  LabelledSeries* const labelled_;
  const Clock& clock_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_DEPLOYMENT_METRICS_H_
