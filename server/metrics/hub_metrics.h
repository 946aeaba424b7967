#ifndef EPLB_SERVER_METRICS_HUB_METRICS_H_
#define EPLB_SERVER_METRICS_HUB_METRICS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/metrics/deployment_metrics.h"
#include "server/metrics/metrics_page.h"
#include "server/planner/hub_observer.h"

namespace eplb {

struct HubMetricsOptions {
  int max_deployment_labels = 1024;  // deployments past it are counted together under "other"
  bool per_layer = false;
  int max_per_layer_series = 5000;  // over all deployments; one that does not fit whole has none
};

// Measures the live service. The number of series is bounded by the options, whatever the fleets are called, and a
// deployment's own leave with it. A deployment that is called "other" is counted under that label. Thread-safe.
class HubMetrics final : public HubObserver {
 public:
  // The page and the clock must outlive it, and it must outlive its deployments' observers.
  HubMetrics(const HubMetricsOptions& options, MetricsPage& page, const Clock& clock);
  ~HubMetrics() override;

  std::unique_ptr<DeploymentObserver> OnDeployment(const DeploymentSpec& spec) override;
  void OnDeployments(int count) override;
  void OnQueue(int waiting) override;
  void OnReportInterval(absl::Duration interval) override;

 private:
  class Observer;
  // A deployment's series, shared by the observers of that name that live at once: a deployment may be forgotten while
  // it comes back.
  struct Entry {
    std::unique_ptr<LabelledSeries> series;  // null: under "other"
    std::size_t layer_series = 0;
    int observers = 0;
  };

  SeriesOfDeployment Acquire(const DeploymentSpec& spec) EPLB_EXCLUDES(mutex_);
  void Release(const std::string& name) EPLB_EXCLUDES(mutex_);
  Entry MakeEntry(const DeploymentSpec& spec) EPLB_REQUIRES(mutex_);
  void ShowOverflow() EPLB_REQUIRES(mutex_);

  const HubMetricsOptions options_;
  const Clock& clock_;
  DeploymentFamilies families_;
  std::shared_ptr<SharedSeries> shared_;  // also the page's
  DeploymentCounters other_;
  prometheus::Gauge& deployments_;
  prometheus::Gauge& unlabelled_deployments_;
  prometheus::Gauge& unlayered_deployments_;
  prometheus::Gauge& queue_depth_;
  prometheus::Gauge& report_interval_;

  Mutex mutex_;
  std::map<std::string, Entry> entries_ EPLB_GUARDED_BY(mutex_);
  int labelled_ EPLB_GUARDED_BY(mutex_) = 0;
  int unlayered_ EPLB_GUARDED_BY(mutex_) = 0;
  std::size_t layer_series_ EPLB_GUARDED_BY(mutex_) = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_HUB_METRICS_H_
