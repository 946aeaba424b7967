#ifndef EPLB_CLIENT_CLIENT_OPTIONS_H_
#define EPLB_CLIENT_CLIENT_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace eplb {

// Certificates of a TLS connection, as PEM text.
struct ClientTlsOptions {
  std::string root_certificates = {};  // empty: those of the system
  std::string certificate_chain = {};  // of this client, for mutual TLS; empty: none
  std::string private_key = {};        // of this client; given exactly where certificate_chain is
  std::string server_name = {};        // expected in the server's certificate; empty: the host of the target
};

// How often a call is tried, and how long it waits between tries. Trying again is safe: a Rebalance that carries loads
// changes nothing, and one that publishes has a request id.
struct RetryOptions {
  int max_attempts = 4;  // at least 1, which never retries
  absl::Duration first_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  double backoff_multiplier = 2.0;
};

// How to reach a server.
struct ClientOptions {
  std::string target;                        // host:port, or any gRPC name, as in dns:///eplb:50051
  std::optional<ClientTlsOptions> tls = {};  // unset: plaintext
  // All calls go to one of the addresses behind the target, another one only once that is lost: what a FleetWorker
  // needs, whose streams and status reports belong to one server's state. False: calls take the addresses in turn.
  bool one_server = false;
  absl::Duration deadline = absl::Seconds(30);  // of a call with all its retries
  RetryOptions retry = {};
  int max_message_bytes = 64 << 20;  // of answers; requests are bounded by the server
  // A ping after this much silence finds a connection that is dead although nobody closed it. Zero: never.
  absl::Duration keepalive = absl::Seconds(30);
  // Seeds the jitter between tries, so that clients that failed together do not come back together. 0: from the clock.
  std::uint64_t jitter_seed = 0;
  // Waits between tries; tests put their own here. Unset: absl::SleepFor.
  std::function<void(absl::Duration)> sleep = {};
};

}  // namespace eplb

#endif  // EPLB_CLIENT_CLIENT_OPTIONS_H_
