#include "client/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// gRPC's own retries see neither RetryInfo nor our deadline's remainder, so they are off and Client has its own; only
// what never left this process is tried again below it.
constexpr char kInTurn[] = R"({"loadBalancingConfig": [{"round_robin": {}}]})";
constexpr char kOneServer[] = R"({"loadBalancingConfig": [{"pick_first": {}}]})";
constexpr absl::Duration kFirstReconnect = absl::Milliseconds(250);
constexpr absl::Duration kLongestReconnect = absl::Seconds(2);
// Time that one try to connect has, handshakes included. gRPC calls it a least backoff, but a refused try does not wait
// for it.
constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

absl::Status Check(const ClientOptions& options) {
  FieldErrors errors;
  if (options.target.empty()) errors.Add("target", "", "must be host:port or a gRPC name");
  if (options.retry.max_attempts < 1) {
    errors.Add("retry.max_attempts", absl::StrCat(options.retry.max_attempts), "must be at least 1");
  }
  if (options.max_message_bytes < 1) {
    errors.Add("max_message_bytes", absl::StrCat(options.max_message_bytes), "must be at least 1");
  }
  if (options.tls && options.tls->certificate_chain.empty() != options.tls->private_key.empty()) {
    errors.Add("tls", "", "must have both or neither of certificate_chain and private_key");
  }
  return errors.ToStatus();
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const ClientOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = options.tls->root_certificates,
                               .pem_private_key = options.tls->private_key,
                               .pem_cert_chain = options.tls->certificate_chain});
}

grpc::ChannelArguments Arguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetServiceConfigJSON(options.one_server ? kOneServer : kInTurn);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // gRPC's own waits (1 s growing to 120 s) would keep a fleet away long after its server is back.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, Milliseconds(kFirstReconnect));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Milliseconds(kConnectTimeout));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, Milliseconds(kLongestReconnect));
  if (options.keepalive > absl::ZeroDuration()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kKeepaliveTimeout));
  }
  if (options.tls && !options.tls->server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  return arguments;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(const ClientOptions& options) {
  EPLB_RETURN_IF_ERROR(Check(options));
  return grpc::CreateCustomChannel(options.target, Credentials(options), Arguments(options));
}

}  // namespace eplb
