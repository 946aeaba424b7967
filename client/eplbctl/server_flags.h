#ifndef EPLB_CLIENT_EPLBCTL_SERVER_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_SERVER_FLAGS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/client_options.h"

namespace eplb {

// --tls and the certificates, for every program that connects to a server.
class TlsFlags {
 public:
  // In the help's group of that name.
  void AddTo(CLI::App& app, const std::string& group);

  // Reads the certificates; unset: plaintext. Errors name the flag or the file.
  absl::StatusOr<std::optional<ClientTlsOptions>> Read() const;

 private:
  bool tls_ = false;
  std::string root_file_;
  std::string certificate_file_;
  std::string key_file_;
  std::string server_name_;
};

// --server and how to reach it: --deadline, --attempts, and TlsFlags.
class ServerFlags {
 public:
  // --server is not required: see given().
  void AddTo(CLI::App& app) { AddTo(app, "Plan on the server at this address"); }
  // The same with --server required, for what only a server can answer.
  void AddRequiredTo(CLI::App& app) { AddTo(app, "Server to ask")->required(); }

  bool given() const { return !target_.empty(); }

  // Reads the certificates. Errors name the flag or the file.
  absl::StatusOr<ClientOptions> Read() const;

 private:
  CLI::Option* AddTo(CLI::App& app, const std::string& help);

  std::string target_;
  double deadline_seconds_ = 30;
  int attempts_ = 4;
  TlsFlags tls_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_SERVER_FLAGS_H_
