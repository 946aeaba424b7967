#include "server/config/rules.h"

#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/config/address.h"
#include "server/config/schema.h"
#include "server/config/setting_value.h"

namespace eplb {
namespace {

using config::v1::AuthorizationRule;
using config::v1::ServerConfig;

void CheckListenAddresses(const ServerConfig& config, ConfigErrors& errors) {
  const std::string& grpc_address = config.grpc().listen_address();
  const std::optional<Address> grpc = ParseAddress(grpc_address);
  if (!grpc) {
    if (grpc_address.empty()) errors.Add("grpc.listen_address", "", "must be given");
    return;
  }
  const bool encrypted = !config.tls().certificate_file().empty();
  if (!grpc->is_loopback() && !encrypted && !config.grpc().allow_plaintext_remote()) {
    errors.Add("grpc.listen_address", grpc_address,
               "is open to other machines without encryption: set tls.certificate_file, or grpc.allow_plaintext_remote "
               "where the network itself encrypts");
  }
}

void CheckPortsDiffer(const ServerConfig& config, ConfigErrors& errors) {
  std::set<std::string_view> taken;
  const std::pair<std::string_view, const std::string*> addresses[] = {
      {"grpc.listen_address", &config.grpc().listen_address()},
      {"health.listen_address", &config.health().listen_address()},
      {"metrics.listen_address", &config.metrics().listen_address()}};
  for (const auto& [name, address] : addresses) {
    const std::optional<Address> parsed = ParseAddress(*address);
    if (parsed && parsed->port != 0 && !taken.insert(*address).second) {
      errors.Add(name, *address, "must differ from the server's other addresses");
    }
  }
}

void CheckTls(const config::v1::Tls& tls, ConfigErrors& errors) {
  const bool has_certificate = !tls.certificate_file().empty();
  const bool has_key = !tls.private_key_file().empty();
  if (has_certificate && !has_key) {
    errors.Add("tls.private_key_file", "", "must be given together with tls.certificate_file");
  }
  if (has_key && !has_certificate) {
    errors.Add("tls.certificate_file", "", "must be given together with tls.private_key_file");
  }
  if (!tls.client_ca_file().empty() && !has_certificate) {
    errors.Add("tls.client_ca_file", tls.client_ca_file(), "needs tls.certificate_file");
  }
}

void CheckAuthorizationRule(const AuthorizationRule& rule, const std::string& path, ConfigErrors& errors) {
  const std::string& identity = rule.identity();
  if (identity.empty()) errors.Add(path + ".identity", "", "must be given");
  if (identity.find('*') < identity.size() - 1 && !identity.empty()) {
    errors.Add(path + ".identity", identity, "may hold '*' only at its end");
  }
  if (rule.role() == config::v1::ROLE_UNSPECIFIED) {
    errors.Add(path + ".role", "", "must be viewer, worker or controller");
  }
}

void CheckAuthorization(const ServerConfig& config, ConfigErrors& errors) {
  const config::v1::Authorization& authorization = config.authorization();
  if (authorization.enabled() && config.tls().client_ca_file().empty()) {
    errors.Add("authorization.enabled", "true", "needs tls.client_ca_file, without which nobody has an identity");
  }
  if (!authorization.enabled() && authorization.rules_size() > 0) {
    errors.Add("authorization.rules", "", "need authorization.enabled, without which everybody may do everything");
  }
  for (int i = 0; i < authorization.rules_size(); ++i) {
    CheckAuthorizationRule(authorization.rules(i), absl::StrCat("authorization.rules[", i, "]"), errors);
  }
}

void CheckOrder(std::string_view greater_path, const google::protobuf::Duration& greater, std::string_view lesser_path,
                const google::protobuf::Duration& lesser, ConfigErrors& errors) {
  if (ToAbslDuration(greater) >= ToAbslDuration(lesser)) return;
  errors.Add(greater_path, absl::StrCat(absl::ToDoubleSeconds(ToAbslDuration(greater)), "s"),
             absl::StrCat("must be at least ", std::string(lesser_path), ", which is ",
                          absl::ToDoubleSeconds(ToAbslDuration(lesser)), "s"));
}

void CheckMemory(const config::v1::Grpc& grpc, ConfigErrors& errors) {
  if (grpc.memory_quota_bytes() == 0 || grpc.memory_quota_bytes() >= grpc.max_message_bytes()) return;
  errors.Add("grpc.memory_quota_bytes", absl::StrCat(grpc.memory_quota_bytes()),
             absl::StrCat("must be 0 or at least grpc.max_message_bytes, which is ", grpc.max_message_bytes()));
}

void CheckFiles(const ServerConfig& config, const FileReader& read_file, ConfigErrors& errors) {
  for (const ConfigLeaf& leaf : ConfigLeaves()) {
    if (leaf.setting->format() != config::v1::FORMAT_FILE) continue;
    const google::protobuf::Message* parent = &config;
    for (std::size_t i = 0; i + 1 < leaf.steps.size(); ++i) {
      parent = &parent->GetReflection()->GetMessage(*parent, leaf.steps[i]);
    }
    const std::string path = FormatValue(*parent, leaf.field());
    if (path.empty()) continue;
    const absl::StatusOr<std::string> content = read_file(path);
    if (!content.ok()) {
      errors.Add(leaf.path, path, absl::StrCat("cannot be read: ", content.status().message()));
    } else if (content->empty()) {
      errors.Add(leaf.path, path, "is an empty file");
    }
  }
}

}  // namespace

void CheckRules(const ServerConfig& config, const FileReader& read_file, ConfigErrors& errors) {
  CheckListenAddresses(config, errors);
  CheckPortsDiffer(config, errors);
  CheckMemory(config.grpc(), errors);
  CheckTls(config.tls(), errors);
  CheckFiles(config, read_file, errors);
  CheckAuthorization(config, errors);
  CheckOrder("telemetry.max_report_interval", config.telemetry().max_report_interval(), "telemetry.report_interval",
             config.telemetry().report_interval(), errors);
  CheckOrder("planner.max_rejection_backoff", config.planner().max_rejection_backoff(), "planner.rejection_backoff",
             config.planner().rejection_backoff(), errors);
}

}  // namespace eplb
