#include "client/eplbctl/server_flags.h"

#include <utility>

#include "client/eplbctl/flag_checks.h"
#include "client/files/file_io.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr std::int64_t kMaxCertificateBytes = 1 << 20;

absl::Status ReadPem(const std::string& path, std::string& text) {
  if (path.empty()) return absl::OkStatus();
  EPLB_ASSIGN_OR_RETURN(text, ReadTextFile(path, kMaxCertificateBytes));
  if (text.find("-----BEGIN ") != std::string::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(path + ": is not PEM");
}

}  // namespace

void TlsFlags::AddTo(CLI::App& app, const std::string& group) {
  auto* tls = app.add_flag("--tls", tls_, "Connect with TLS")->group(group);
  const auto file = [&](const char* name, std::string& path, const char* help) {
    return app.add_option(name, path, help)->type_name("FILE")->needs(tls)->group(group);
  };
  file("--tls-root", root_file_, "PEM certificates that sign the server's; without it those of the system");
  auto* certificate = file("--tls-certificate", certificate_file_, "PEM certificate chain of this client");
  auto* key = file("--tls-key", key_file_, "PEM private key of this client");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--tls-server-name", server_name_, "Name that the server's certificate must have")
      ->type_name("NAME")
      ->needs(tls)
      ->group(group);
}

absl::StatusOr<std::optional<ClientTlsOptions>> TlsFlags::Read() const {
  if (!tls_) return std::nullopt;
  ClientTlsOptions tls{.server_name = server_name_};
  EPLB_RETURN_IF_ERROR(ReadPem(root_file_, tls.root_certificates));
  EPLB_RETURN_IF_ERROR(ReadPem(certificate_file_, tls.certificate_chain));
  EPLB_RETURN_IF_ERROR(ReadPem(key_file_, tls.private_key));
  return tls;
}

CLI::Option* ServerFlags::AddTo(CLI::App& app, const std::string& server_help) {
  auto* server = app.add_option("--server", target_, server_help)->type_name("HOST:PORT")->group("Where");
  app.add_option("--deadline", deadline_seconds_, "Seconds that the server has, retries included")
      ->type_name("SECONDS")
      ->check(InRange(0.001, 86400.0))
      ->capture_default_str()
      ->group("Where");
  app.add_option("--attempts", attempts_, "Most tries while the server is unavailable or busy")
      ->type_name("N")
      ->check(InRange(1, 100))
      ->capture_default_str()
      ->group("Where");
  tls_.AddTo(app, "Where");
  return server;
}

absl::StatusOr<ClientOptions> ServerFlags::Read() const {
  ClientOptions options{.target = target_};
  options.deadline = absl::Seconds(deadline_seconds_);
  options.retry.max_attempts = attempts_;
  EPLB_ASSIGN_OR_RETURN(options.tls, tls_.Read());
  return options;
}

}  // namespace eplb
