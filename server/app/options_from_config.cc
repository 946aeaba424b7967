#include "server/app/options_from_config.h"

#include <algorithm>
#include <limits>
#include <random>
#include <thread>

#include "server/config/setting_value.h"

namespace eplb {
namespace {

LogLevel LevelOf(config::v1::LogLevel level) {
  switch (level) {
    case config::v1::LOG_LEVEL_TRACE:
      return LogLevel::kTrace;
    case config::v1::LOG_LEVEL_DEBUG:
      return LogLevel::kDebug;
    case config::v1::LOG_LEVEL_WARNING:
      return LogLevel::kWarning;
    case config::v1::LOG_LEVEL_ERROR:
      return LogLevel::kError;
    case config::v1::LOG_LEVEL_OFF:
      return LogLevel::kOff;
    default:
      return LogLevel::kInfo;
  }
}

Policy PolicyOf(config::v1::PlannerPolicy policy) {
  switch (policy) {
    case config::v1::PLANNER_POLICY_HIERARCHICAL:
      return Policy::kHierarchical;
    case config::v1::PLANNER_POLICY_GLOBAL:
      return Policy::kGlobal;
    case config::v1::PLANNER_POLICY_OPTIMIZED:
      return Policy::kOptimized;
    default:
      return Policy::kAuto;
  }
}

TlsOptions TlsOptionsOf(const config::v1::Tls& tls) {
  return {.certificate_file = tls.certificate_file(),
          .private_key_file = tls.private_key_file(),
          .client_ca_file = tls.client_ca_file(),
          .require_client_certificate = tls.require_client_certificate(),
          .reload_interval = ToAbslDuration(tls.reload_interval())};
}

Role RoleOf(config::v1::Role role) {
  switch (role) {
    case config::v1::ROLE_WORKER:
      return Role::kWorker;
    case config::v1::ROLE_CONTROLLER:
      return Role::kController;
    default:
      return Role::kViewer;
  }
}

AuthorizationOptions AuthorizationOptionsOf(const config::v1::Authorization& authorization) {
  AuthorizationOptions options{.enabled = authorization.enabled()};
  for (const config::v1::AuthorizationRule& rule : authorization.rules()) {
    options.rules.push_back(
        {.identity = rule.identity(), .role = RoleOf(rule.role()), .deployment_prefix = rule.deployment_prefix()});
  }
  return options;
}

MoveBudget MoveBudgetOf(const config::v1::Planner& planner) {
  MoveBudget budget{.per_layer = planner.moves_per_layer()};
  // The configuration's 0 is no limit, except per layer.
  if (planner.moves_total() > 0) {
    budget.total = static_cast<int>(std::min<std::int64_t>(planner.moves_total(), std::numeric_limits<int>::max()));
  }
  if (planner.moves_bytes() > 0) budget.bytes = planner.moves_bytes();
  return budget;
}

PlanSettings PlanSettingsOf(const config::v1::Planner& planner) {
  return {.policy = PolicyOf(planner.policy()),
          .work_limit = planner.work_limit(),
          .budget = MoveBudgetOf(planner),
          .max_transfers_per_gpu = planner.max_transfers_per_gpu(),
          .bytes_per_expert = planner.bytes_per_expert(),
          .horizon = ToAbslDuration(planner.horizon()),
          .intra_node_bytes_per_second = planner.intra_node_bytes_per_second(),
          .inter_node_bytes_per_second = planner.inter_node_bytes_per_second(),
          .hysteresis_ratio = planner.hysteresis_ratio(),
          .expert_time_ratio = planner.expert_time_ratio()};
}

}  // namespace

LoggerOptions LoggerOptionsOf(const Config& config) {
  const config::v1::Logging& logging = config.proto().logging();
  const bool json = logging.format() == config::v1::LOG_FORMAT_JSON;
  return {.level = LevelOf(logging.level()), .format = json ? LogFormat::kJson : LogFormat::kText};
}

ServerOptions ServerOptionsOf(const Config& config) {
  const config::v1::Grpc& grpc = config.proto().grpc();
  return {.listen_address = grpc.listen_address(),
          .health_listen_address = config.proto().health().listen_address(),
          .tls = TlsOptionsOf(config.proto().tls()),
          .authorization = AuthorizationOptionsOf(config.proto().authorization()),
          .max_message_bytes = grpc.max_message_bytes(),
          .max_concurrent_streams = grpc.max_concurrent_streams(),
          .memory_quota_bytes = grpc.memory_quota_bytes(),
          .max_threads = grpc.max_threads(),
          .keepalive_interval = ToAbslDuration(grpc.keepalive_interval()),
          .keepalive_timeout = ToAbslDuration(grpc.keepalive_timeout()),
          .min_client_ping_interval = ToAbslDuration(grpc.min_client_ping_interval()),
          .max_connection_age = ToAbslDuration(grpc.max_connection_age()),
          .max_connection_age_grace = ToAbslDuration(grpc.max_connection_age_grace()),
          .reflection = grpc.reflection(),
          .channelz = grpc.channelz()};
}

RequestLimits RequestLimitsOf(const Config& config) {
  const config::v1::Limits& limits = config.proto().limits();
  return {.max_layers = limits.max_layers(),
          .max_experts = limits.max_experts(),
          .max_slots = limits.max_slots(),
          .max_gpus = limits.max_gpus(),
          .max_samples = limits.max_samples(),
          .max_work = limits.max_work()};
}

PlanDefaults PlanDefaultsOf(const Config& config) {
  const config::v1::Planner& planner = config.proto().planner();
  return {.policy = PolicyOf(planner.policy()),
          .work_limit = planner.work_limit(),
          .bytes_per_expert = planner.bytes_per_expert(),
          .max_transfers_per_gpu = planner.max_transfers_per_gpu(),
          .gate = PlanSettingsOf(planner)};
}

HubOptions HubOptionsOf(const Config& config) {
  const config::v1::Telemetry& telemetry = config.proto().telemetry();
  const config::v1::Planner& planner = config.proto().planner();
  const config::v1::Limits& limits = config.proto().limits();
  return {.report_interval = ToAbslDuration(telemetry.report_interval()),
          .max_report_interval = ToAbslDuration(telemetry.max_report_interval()),
          .history_sub_windows = telemetry.history_sub_windows(),
          .warmup_reports = telemetry.warmup_reports(),
          .liveness = {.expire_after_intervals = telemetry.expire_after_intervals(),
                       .exclude_grace = ToAbslDuration(telemetry.exclude_grace())},
          .deployment_retention = ToAbslDuration(telemetry.deployment_retention()),
          .bookmark_interval = ToAbslDuration(telemetry.bookmark_interval()),
          .max_reports_per_second = telemetry.max_reports_per_second(),
          .max_deployments = limits.max_deployments(),
          .max_workers = limits.max_workers(),
          .max_watchers = limits.max_watchers(),
          .max_workers_per_deployment = limits.max_workers_per_deployment(),
          .max_watchers_per_deployment = limits.max_watchers_per_deployment(),
          .max_page_size = limits.max_page_size(),
          .placement_history = planner.placement_history(),
          .plan_concurrency = PlanningThreadsOf(config),
          .automatic = planner.automatic(),
          .plan = PlanSettingsOf(planner),
          .max_fetch_percent = planner.max_fetch_percent(),
          .fetch_window = ToAbslDuration(planner.fetch_window()),
          .apply_timeout = ToAbslDuration(planner.apply_timeout()),
          .prepare_timeout = ToAbslDuration(planner.prepare_timeout()),
          .rejection_backoff = ToAbslDuration(planner.rejection_backoff()),
          .max_rejection_backoff = ToAbslDuration(planner.max_rejection_backoff()),
          .seed = std::random_device()()};
}

HubMetricsOptions HubMetricsOptionsOf(const Config& config) {
  const config::v1::Metrics& metrics = config.proto().metrics();
  return {.max_deployment_labels = metrics.max_deployment_labels(),
          .per_layer = metrics.per_layer(),
          .max_per_layer_series = metrics.max_per_layer_series()};
}

int PlanningThreadsOf(const Config& config) {
  const int threads = config.proto().planner().threads();
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace eplb
