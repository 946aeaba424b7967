#include "server/app/app.h"

#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/app/options_from_config.h"
#include "server/base/build_info.h"
#include "server/base/check.h"
#include "server/base/status_macros.h"
#include "server/config/address.h"
#include "server/config/setting_value.h"
#include "server/planner/adaptive_tick_planner.h"
#include "server/rpc/certificate_expiry.h"

namespace eplb {
namespace {

// The configured address with the port that was bound.
std::string BoundAddress(const std::string& configured, int port) {
  std::optional<Address> address = ParseAddress(configured);
  EPLB_CHECK(address.has_value());
  address->port = port;
  return address->ToString();
}

// Absent ports are left out.
std::string ReadyText(const BoundAddresses& addresses) {
  std::string text = absl::StrCat("pid=", getpid(), "\ngrpc=", addresses.grpc, "\n");
  if (!addresses.health.empty()) absl::StrAppend(&text, "health=", addresses.health, "\n");
  if (!addresses.metrics.empty()) absl::StrAppend(&text, "metrics=", addresses.metrics, "\n");
  return text;
}

// 0, long ago, where the file holds no certificate: nobody who starts anew could use it.
double CertificateExpirySeconds(const std::string& path) {
  return absl::ToDoubleSeconds(CertificateExpiry(path).value_or(absl::UnixEpoch()) - absl::UnixEpoch());
}

void WarnOfExposure(const config::v1::ServerConfig& config, Logger& logger) {
  const std::optional<Address> address = ParseAddress(config.grpc().listen_address());
  if (!address || address->is_loopback()) return;
  if (config.tls().certificate_file().empty()) {
    logger.Log(LogLevel::kWarning, "plaintext_remote", {{"listen_address", config.grpc().listen_address()}});
  }
  if (!config.authorization().enabled()) {
    logger.Log(LogLevel::kWarning, "authorization_off", {{"listen_address", config.grpc().listen_address()}});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<App>> App::Start(const Config& config, Logger& logger) {
  std::unique_ptr<App> app(new App(config, logger));
  EPLB_RETURN_IF_ERROR(app->StartParts());
  return app;
}

App::App(const Config& config, Logger& logger)
    : config_(config),
      logger_(logger),
      rpc_metrics_(page_.registry()),
      rpc_log_(logger, rpc_metrics_),
      rebalance_metrics_(page_.registry()),
      hub_metrics_(HubMetricsOptionsOf(config), page_, RealClock()),
      hub_log_(logger, hub_metrics_),
      team_(PlanningThreadsOf(config)),
      live_team_(team_, [this] { return stopping_.load(std::memory_order_relaxed); }),
      pool_(PlanningThreadsOf(config), static_cast<std::size_t>(config.proto().planner().queue_capacity())),
      hub_pool_(PlanningThreadsOf(config), static_cast<std::size_t>(PlanningThreadsOf(config))) {}

App::~App() { StopParts(absl::ZeroDuration()); }

absl::Status App::StartParts() {
  WarnOfExposure(config_.proto(), logger_);
  EPLB_RETURN_IF_ERROR(StartMetrics());
  StartHub();
  EPLB_RETURN_IF_ERROR(StartRpc());
  return AnnounceReady();
}

absl::Status App::StartMetrics() {
  page_.AddScrapedGauge(metrics::kPoolQueueDepth, [this] { return static_cast<double>(pool_.queue_depth()); });
  const std::string& certificate = config_.proto().tls().certificate_file();
  if (!certificate.empty()) {
    page_.AddScrapedGauge(metrics::kCertificateExpiry, [certificate] { return CertificateExpirySeconds(certificate); });
  }
  const std::string& address = config_.proto().metrics().listen_address();
  if (address.empty()) return absl::OkStatus();
  EPLB_ASSIGN_OR_RETURN(metrics_server_, MetricsServer::Start(address, page_));
  addresses_.metrics = BoundAddress(address, metrics_server_->port());
  return absl::OkStatus();
}

void App::StartHub() {
  if (!config_.proto().live().enabled()) return;
  const HubOptions options = HubOptionsOf(config_);
  tick_planner_ = std::make_unique<AdaptiveTickPlanner>(live_team_);
  hub_ = CreateHub(options, RealClock(), *tick_planner_, &hub_log_);
  hub_metrics_.OnReportInterval(options.report_interval);
  hub_->Start(hub_pool_);
}

absl::Status App::StartRpc() {
  const EplbServiceParts parts{
      .pool = &pool_,
      .parallel = &team_,
      .rebalance_observer = &rebalance_metrics_,
      .hub = hub_.get(),
      .limits = RequestLimitsOf(config_),
      .plan_defaults = PlanDefaultsOf(config_),
      .request_id_retention = ToAbslDuration(config_.proto().planner().request_id_retention()),
      .request_id_capacity = static_cast<std::size_t>(config_.proto().planner().request_id_capacity()),
  };
  const ServerOptions options = ServerOptionsOf(config_);
  EPLB_ASSIGN_OR_RETURN(rpc_server_, RpcServer::Start(options, parts, &rpc_log_));
  addresses_.grpc = BoundAddress(options.listen_address, rpc_server_->port());
  if (rpc_server_->health_port() != 0) {
    addresses_.health = BoundAddress(options.health_listen_address, rpc_server_->health_port());
  }
  return absl::OkStatus();
}

absl::Status App::AnnounceReady() {
  rpc_server_->SetServing(true);
  const std::string& path = config_.proto().process().ready_file();
  if (!path.empty()) {
    EPLB_ASSIGN_OR_RETURN(ReadyFile ready_file, ReadyFile::Write(path, ReadyText(addresses_)));
    ready_file_.emplace(std::move(ready_file));
  }
  logger_.Log(LogLevel::kInfo, "server_ready",
              {{"grpc", addresses_.grpc},
               {"health", addresses_.health},
               {"metrics", addresses_.metrics},
               {"planning_threads", team_.width()},
               {"version", BuildVersion()},
               {"revision", BuildRevision()},
               {"pid", getpid()}});
  return absl::OkStatus();
}

void App::Drain() {
  ready_file_.reset();
  rpc_server_->StartDraining();
  const absl::Duration delay = ToAbslDuration(config_.proto().drain().delay());
  logger_.Log(LogLevel::kInfo, "draining", {{"delay_seconds", delay}});
  absl::SleepFor(delay);
  // Its HTTP server looks up only every two seconds, so it is told to stop while calls end; the last figures are those
  // of the delay.
  std::thread metrics_stop([this] { metrics_server_.reset(); });
  StopParts(ToAbslDuration(config_.proto().drain().timeout()));
  metrics_stop.join();
  logger_.Log(LogLevel::kInfo, "drained");
}

// Calls may wait in the pool or in the hub, so these end after the port is closed and before the server is. By then
// all calls have ended, so that their plans give up by themselves.
void App::StopParts(absl::Duration timeout) {
  if (rpc_server_ != nullptr) rpc_server_->Shutdown(timeout);
  stopping_.store(true, std::memory_order_relaxed);
  pool_.Drain();
  if (hub_ != nullptr) hub_->Stop();
}

}  // namespace eplb
