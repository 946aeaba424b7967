#include "server/metrics/metrics_page.h"

#include <CivetServer.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/build_info.h"
#include "server/metrics/families.h"
#include "server/metrics/process_metrics.h"

namespace eplb {
namespace {

using prometheus::MetricFamily;

class ScrapedGauge final : public prometheus::Collectable {
 public:
  ScrapedGauge(const Metric& metric, std::function<double()> read) : metric_(metric), read_(std::move(read)) {}

  std::vector<MetricFamily> Collect() const override {
    prometheus::ClientMetric sample;
    sample.gauge.value = read_();
    return {{.name = metric_.name, .help = metric_.help, .type = prometheus::MetricType::Gauge, .metric = {sample}}};
  }

 private:
  const Metric metric_;
  const std::function<double()> read_;
};

// Few threads are enough for a few scrapers, and a scraper that hangs is let go of.
std::vector<std::string> HttpOptions(const std::string& address) {
  return {"listening_ports",  address, "num_threads",       "4", "request_timeout_ms", "10000",
          "max_request_size", "16384", "enable_keep_alive", "no"};
}

// The server's own complaints (a scraper that went away, a port in use) are not for standard error: what matters of
// them is in the status of Start.
int DropMessage(const mg_connection* /*connection*/, const char* /*message*/) { return 1; }

}  // namespace

MetricsPage::MetricsPage() : registry_(std::make_shared<prometheus::Registry>()) {
  AddGauges(*registry_, metrics::kBuildInfo)
      .Add({{labels::kVersion, BuildVersion()}, {labels::kRevision, BuildRevision()}})
      .Set(1);
  parts_ = {registry_, std::make_shared<ProcessMetrics>()};
}

void MetricsPage::AddScrapedGauge(const Metric& metric, std::function<double()> read) {
  parts_.push_back(std::make_shared<ScrapedGauge>(metric, std::move(read)));
}

std::string MetricsPage::ToText() const {
  std::vector<MetricFamily> families;
  for (const auto& part : parts_) {
    for (MetricFamily& family : part->Collect()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address,
                                                                    const MetricsPage& page) {
  CivetCallbacks callbacks;
  callbacks.log_message = DropMessage;
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(HttpOptions(address), &callbacks);
    for (const auto& part : page.parts()) exposer->RegisterCollectable(part);
    return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(exposer)));
  } catch (const std::exception&) {  // says only that it failed
    return absl::UnavailableError(absl::StrCat("metrics: cannot listen on ", address, ": in use or not of this host"));
  }
}

MetricsServer::MetricsServer(std::unique_ptr<prometheus::Exposer> exposer)
    : exposer_(std::move(exposer)), port_(exposer_->GetListeningPorts().at(0)) {}

}  // namespace eplb
