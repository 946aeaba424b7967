#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace eplb {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kHealthFooter[] =
    "Examples:\n"
    "  eplbctl health 127.0.0.1:50052\n"
    "  eplbctl health 127.0.0.1:50052 --service eplb.v1.EplbService --wait --timeout 30\n\n"
    "Prints SERVING and exits with 0 where the server takes calls; exits with 3 where it does not or cannot be "
    "reached.\n"
    "The connection is plaintext: ask the server's health port (health.listen_address).";

struct HealthFlags {
  std::string address;
  std::string service;
  double timeout_seconds = 3;
  bool wait = false;
};

absl::Status Check(const HealthFlags& flags) {
  const auto channel = grpc::CreateChannel(flags.address, grpc::InsecureChannelCredentials());
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                             std::chrono::duration<double>(flags.timeout_seconds));
  grpc::ClientContext context;
  context.set_deadline(deadline);
  context.set_wait_for_ready(flags.wait);
  HealthCheckRequest request;
  request.set_service(flags.service);
  HealthCheckResponse response;
  const grpc::Status status = Health::NewStub(channel)->Check(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    return absl::NotFoundError(absl::StrCat("--service ", flags.service, ": ", flags.address, " has no such service"));
  }
  if (!status.ok()) return absl::UnavailableError(absl::StrCat(flags.address, ": ", status.error_message()));
  const std::string name = HealthCheckResponse::ServingStatus_Name(response.status());
  if (response.status() != HealthCheckResponse::SERVING) {
    return absl::UnavailableError(absl::StrCat(flags.address, ": ", name));
  }
  std::puts(name.c_str());
  return absl::OkStatus();
}

}  // namespace

Command AddHealthCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("health", "Ask whether a server takes calls, as a probe");
  app->footer(kHealthFooter);
  const auto flags = std::make_shared<HealthFlags>();
  app->add_option("address", flags->address, "Server")->type_name("HOST:PORT")->required();
  app->add_option("--service", flags->service, "Full name of a gRPC service; none asks for the server as a whole")
      ->type_name("NAME");
  app->add_option("--timeout", flags->timeout_seconds, "Seconds to wait for the answer")
      ->type_name("SECONDS")
      ->check(InRange(0.001, 3600.0))
      ->capture_default_str();
  app->add_flag("--wait", flags->wait, "Until the timeout, wait for a server that is not there yet");
  return {.app = app, .run = [flags] { return Check(*flags); }};
}

}  // namespace eplb
