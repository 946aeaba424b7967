#ifndef EPLB_SERVER_METRICS_METRICS_PAGE_H_
#define EPLB_SERVER_METRICS_METRICS_PAGE_H_

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/metrics/names.h"

namespace eplb {

// Everything that is exported: a registry for the families, the process's own figures, the build, and figures that are
// asked for at each scrape. Thread-safe after it is set up.
class MetricsPage {
 public:
  MetricsPage();

  prometheus::Registry& registry() { return *registry_; }

  // A gauge that is read at each scrape; what it reads must outlive the page. Call before the page is served.
  void AddScrapedGauge(const Metric& metric, std::function<double()> read);

  // A part that is not in the registry. Call before the page is served.
  void AddPart(std::shared_ptr<prometheus::Collectable> part) { parts_.push_back(std::move(part)); }

  // The page in Prometheus' text format.
  std::string ToText() const;

  // What a MetricsServer serves; owned by the page.
  const std::vector<std::shared_ptr<prometheus::Collectable>>& parts() const { return parts_; }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::vector<std::shared_ptr<prometheus::Collectable>> parts_;
};

// Serves the page as /metrics over HTTP, from threads of its own.
class MetricsServer {
 public:
  // `address` is host:port; port 0 takes any free port. The page must outlive the server. UNAVAILABLE, naming the
  // address, where it cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address, const MetricsPage& page);

  // The bound port.
  int port() const { return port_; }

 private:
  explicit MetricsServer(std::unique_ptr<prometheus::Exposer> exposer);

  std::unique_ptr<prometheus::Exposer> exposer_;
  int port_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_METRICS_PAGE_H_
