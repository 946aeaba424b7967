#include "server/rpc/credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <string>

#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// Tries the files out in a context of its own: gRPC itself says nothing until the first handshake fails.
absl::Status CheckFiles(const TlsOptions& options) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });  // asks nobody
  FieldErrors errors("tls.");
  if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate_file.c_str()) != 1) {
    errors.Add("certificate_file", options.certificate_file, "must be a readable PEM certificate chain");
  } else if (SSL_CTX_use_PrivateKey_file(context.get(), options.private_key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(context.get()) != 1) {
    errors.Add("private_key_file", options.private_key_file, "must be the readable PEM private key of the certificate");
  }
  if (!options.client_ca_file.empty() &&
      SSL_CTX_load_verify_locations(context.get(), options.client_ca_file.c_str(), nullptr) != 1) {
    errors.Add("client_ca_file", options.client_ca_file, "must be a readable PEM file of certificates");
  }
  ERR_clear_error();
  return errors.ToStatus();
}

grpc_ssl_client_certificate_request_type ClientCertificates(const TlsOptions& options) {
  if (options.client_ca_file.empty()) return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  return options.require_client_certificate ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                            : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsOptions& options) {
  if (!options.enabled()) return grpc::InsecureServerCredentials();
  EPLB_RETURN_IF_ERROR(CheckFiles(options));
  const auto interval =
      static_cast<unsigned>(std::clamp<std::int64_t>(absl::ToInt64Seconds(options.reload_interval), 1, 86'400));
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.private_key_file, options.certificate_file, options.client_ca_file, interval));
  tls.watch_identity_key_cert_pairs();
  if (!options.client_ca_file.empty()) tls.watch_root_certs();
  tls.set_cert_request_type(ClientCertificates(options));
  return grpc::experimental::TlsServerCredentials(tls);
}

}  // namespace eplb
