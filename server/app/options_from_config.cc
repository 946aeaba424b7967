#include "server/app/options_from_config.h"

#include <algorithm>
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
          .bytes_per_expert = planner.bytes_per_expert()};
}

int PlanningThreadsOf(const Config& config) {
  const int threads = config.proto().planner().threads();
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace eplb
