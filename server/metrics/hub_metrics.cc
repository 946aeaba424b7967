#include "server/metrics/hub_metrics.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"

namespace eplb {

// Gives its deployment's series back at its end.
class HubMetrics::Observer final : public DeploymentMetrics {
 public:
  Observer(HubMetrics& owner, std::string name, SeriesOfDeployment series)
      : DeploymentMetrics(*owner.shared_, series, owner.clock_), owner_(owner), name_(std::move(name)) {}
  ~Observer() override { owner_.Release(name_); }

 private:
  HubMetrics& owner_;
  const std::string name_;
};

HubMetrics::HubMetrics(const HubMetricsOptions& options, MetricsPage& page, const Clock& clock)
    : options_(options),
      clock_(clock),
      families_(page.registry()),
      shared_(std::make_shared<SharedSeries>(page.registry())),
      other_(families_, labels::kOther),
      deployments_(AddGauges(page.registry(), metrics::kDeployments).Add({})),
      unlabelled_deployments_(AddGauges(page.registry(), metrics::kUnlabelledDeployments).Add({})),
      unlayered_deployments_(AddGauges(page.registry(), metrics::kUnlayeredDeployments).Add({})),
      queue_depth_(AddGauges(page.registry(), metrics::kPlannerQueueDepth).Add({})),
      report_interval_(AddGauges(page.registry(), metrics::kReportInterval).Add({})) {
  page.AddPart(std::shared_ptr<prometheus::Collectable>(shared_, &shared_->report_lag));
}

HubMetrics::~HubMetrics() {
  MutexLock lock(mutex_);
  EPLB_CHECK(entries_.empty());
}

std::unique_ptr<DeploymentObserver> HubMetrics::OnDeployment(const DeploymentSpec& spec) {
  return std::make_unique<Observer>(*this, spec.name(), Acquire(spec));
}

void HubMetrics::OnDeployments(int count) { deployments_.Set(count); }

void HubMetrics::OnQueue(int waiting) { queue_depth_.Set(waiting); }

void HubMetrics::OnReportInterval(absl::Duration interval) { report_interval_.Set(absl::ToDoubleSeconds(interval)); }

SeriesOfDeployment HubMetrics::Acquire(const DeploymentSpec& spec) {
  MutexLock lock(mutex_);
  auto found = entries_.find(spec.name());
  if (found == entries_.end()) found = entries_.emplace(spec.name(), MakeEntry(spec)).first;
  Entry& entry = found->second;
  ++entry.observers;
  ShowOverflow();
  if (entry.series == nullptr) return {.counters = &other_};
  return {.counters = &entry.series->counters, .labelled = entry.series.get()};
}

HubMetrics::Entry HubMetrics::MakeEntry(const DeploymentSpec& spec) {
  Entry entry;
  if (labelled_ >= options_.max_deployment_labels || spec.name() == labels::kOther) return entry;
  std::vector<std::string> layers;
  if (options_.per_layer) {
    for (const int layer : spec.model_layers()) layers.push_back(absl::StrCat(layer));
    if (layer_series_ + layers.size() > static_cast<std::size_t>(options_.max_per_layer_series)) layers.clear();
    if (layers.empty()) ++unlayered_;
  }
  ++labelled_;
  entry.layer_series = layers.size();
  layer_series_ += layers.size();
  entry.series = std::make_unique<LabelledSeries>(families_, spec.name(), std::move(layers), clock_.Now());
  return entry;
}

// Under the lock to the end: the series are gone before a deployment of the same name can ask for new ones.
void HubMetrics::Release(const std::string& name) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(name);
  EPLB_CHECK(found != entries_.end());
  if (--found->second.observers > 0) return;
  if (found->second.series != nullptr) {
    --labelled_;
    if (options_.per_layer && found->second.layer_series == 0) --unlayered_;
    layer_series_ -= found->second.layer_series;
  }
  entries_.erase(found);
  ShowOverflow();
}

void HubMetrics::ShowOverflow() {
  unlabelled_deployments_.Set(static_cast<double>(entries_.size()) - labelled_);
  unlayered_deployments_.Set(unlayered_);
}

}  // namespace eplb
