#ifndef EPLB_SERVER_APP_APP_H_
#define EPLB_SERVER_APP_APP_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/app/hub_log.h"
#include "server/app/ready_file.h"
#include "server/app/rpc_log.h"
#include "server/base/stoppable_for.h"
#include "server/base/thread_team.h"
#include "server/base/worker_pool.h"
#include "server/config/config.h"
#include "server/log/logger.h"
#include "server/metrics/hub_metrics.h"
#include "server/metrics/metrics_page.h"
#include "server/metrics/rebalance_metrics.h"
#include "server/metrics/rpc_metrics.h"
#include "server/planner/hub.h"
#include "server/planner/tick_planner.h"
#include "server/rpc/rpc_server.h"

namespace eplb {

// Where the server is to be reached, as host:port; empty where there is no such port.
struct BoundAddresses {
  std::string grpc;
  std::string health;
  std::string metrics;
};

// The parts of one server, from the configuration to ready, and from ready to drained. One thread uses it.
class App {
 public:
  // Starts everything; on return the server is ready and says so to probes. The logger must outlive the app.
  // UNAVAILABLE names the address that cannot be bound or the file that cannot be written.
  static absl::StatusOr<std::unique_ptr<App>> Start(const Config& config, Logger& logger);
  // Cancels what was not drained.
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  const BoundAddresses& addresses() const { return addresses_; }

  // Stops in reverse order: turns unready, waits for load balancers to notice, lets calls finish, then gives up the
  // plans that are still made. The metrics are served until calls are no longer taken. At most about drain.delay +
  // drain.timeout and the time that one layer takes to plan. Call once.
  void Drain();

 private:
  App(const Config& config, Logger& logger);

  absl::Status StartParts();
  absl::Status StartMetrics();
  void StartHub();
  absl::Status StartRpc();
  void StopParts(absl::Duration timeout);
  absl::Status AnnounceReady();

  const Config config_;
  Logger& logger_;
  BoundAddresses addresses_;

  // In the order of their making: each may use those above it.
  MetricsPage page_;
  RpcMetrics rpc_metrics_;
  RpcLog rpc_log_;
  RebalanceMetrics rebalance_metrics_;
  HubMetrics hub_metrics_;
  HubLog hub_log_;
  ThreadTeam team_;
  std::atomic<bool> stopping_{false};
  StoppableFor live_team_;  // the team for plans of live deployments, until stopping
  WorkerPool pool_;         // plans for calls
  WorkerPool hub_pool_;     // plans live deployments: its own, so that calls cannot starve them
  std::unique_ptr<TickPlanner> tick_planner_;
  std::unique_ptr<Hub> hub_;                       // null: no live deployments
  std::unique_ptr<MetricsServer> metrics_server_;  // null: none
  std::unique_ptr<RpcServer> rpc_server_;
  std::optional<ReadyFile> ready_file_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_APP_APP_H_
