#ifndef EPLB_SERVER_RPC_SERVER_OPTIONS_H_
#define EPLB_SERVER_RPC_SERVER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace eplb {

// Encryption of the gRPC port. Files are PEM and are watched: replace all of them at once, by a symlink swap.
struct TlsOptions {
  std::string certificate_file = {};  // empty: plaintext
  std::string private_key_file = {};
  std::string client_ca_file = {};         // empty: clients are not asked for a certificate
  bool require_client_certificate = true;  // counts only with client_ca_file
  absl::Duration reload_interval = absl::Seconds(10);

  bool enabled() const { return !certificate_file.empty(); }
};

// What an identity may do; each of the others may read as well.
enum class Role {
  kViewer,  // reads: GetPlacement, ListDeployments, watches as an onlooker, Rebalance without publishing, reflection
            // and channelz
  kWorker,  // reports loads, watches as a worker and reports status
  kController,  // publishes by Rebalance, and UpdateDeployment
};

// Gives a role to the identities that match. An identity has the roles of all rules that match it.
struct AuthorizationRule {
  std::string identity;  // a '*' at the end matches any rest; "*" everyone, also without a certificate
  Role role = Role::kViewer;
  std::string deployment_prefix = {};  // start of the deployments' names; empty: all, and calls that name none
};

// Who may do what. Where it is enabled, what no rule allows is refused.
struct AuthorizationOptions {
  bool enabled = false;
  std::vector<AuthorizationRule> rules = {};
};

// The gRPC ports and their connections.
struct ServerOptions {
  std::string listen_address = "127.0.0.1:0";  // port 0: any free one
  std::string health_listen_address = {};      // plaintext port that serves only health; empty: none
  TlsOptions tls = {};
  AuthorizationOptions authorization = {};
  int max_message_bytes = 16 << 20;     // received and sent
  int max_concurrent_streams = 4096;    // on one connection
  std::int64_t memory_quota_bytes = 0;  // buffers of gRPC; 0: no quota
  int max_threads = 0;                  // of gRPC; 0: gRPC decides
  absl::Duration keepalive_interval = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  absl::Duration min_client_ping_interval = absl::Seconds(10);
  absl::Duration max_connection_age = absl::ZeroDuration();  // 0: no end
  absl::Duration max_connection_age_grace = absl::Seconds(10);
  bool reflection = true;
  bool channelz = false;
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_SERVER_OPTIONS_H_
