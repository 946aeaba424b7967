#include "client/client.h"

#include <grpcpp/client_context.h>

#include <optional>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "client/error_details.h"
#include "client/retry_backoff.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

ClientOptions WithDefaults(ClientOptions options) {
  if (options.jitter_seed == 0) options.jitter_seed = static_cast<std::uint64_t>(absl::GetCurrentTimeNanos());
  if (!options.sleep) options.sleep = [](absl::Duration duration) { absl::SleepFor(duration); };
  return options;
}

// No two clients anywhere have the same.
std::string RandomPrefix() {
  std::random_device device;
  std::string prefix;
  for (int word = 0; word < 4; ++word) absl::StrAppend(&prefix, absl::Hex(device(), absl::kZeroPad8));
  return prefix + "-";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, NewChannel(options));
  return std::make_unique<Client>(std::move(options), v1::EplbService::NewStub(channel));
}

Client::Client(ClientOptions options, std::unique_ptr<v1::EplbService::StubInterface> stub)
    : options_(WithDefaults(std::move(options))), stub_(std::move(stub)), id_prefix_(RandomPrefix()) {}

// Says which server it was that could not be reached.
absl::Status Client::Named(absl::Status status) const {
  if (status.code() != absl::StatusCode::kUnavailable && status.code() != absl::StatusCode::kDeadlineExceeded) {
    return status;
  }
  return absl::Status(status.code(), absl::StrCat(options_.target, ": ", status.message()));
}

template <typename Request, typename Response>
absl::StatusOr<Response> Client::Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                      const Request& request, absl::Duration deadline) {
  const absl::Time end = absl::Now() + deadline;
  RetryBackoff backoff(options_.retry, options_.jitter_seed + calls_++);
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(end));
    Response response;
    absl::Status status = StatusFromGrpc((stub_.get()->*method)(&context, request, &response));
    if (status.ok()) return response;
    // Nobody here cancels a call: a server did that closed its port at that moment.
    if (absl::IsCancelled(status)) status = absl::UnavailableError("the server ended the call as it stopped");
    const std::optional<absl::Duration> wait = backoff.NextWait(status, end - absl::Now());
    if (!wait) return Named(std::move(status));
    options_.sleep(*wait);
  }
}

absl::StatusOr<v1::RebalanceResponse> Client::Rebalance(const v1::RebalanceRequest& request) {
  return Rebalance(request, options_.deadline);
}

absl::StatusOr<v1::RebalanceResponse> Client::Rebalance(const v1::RebalanceRequest& request, absl::Duration deadline) {
  // What is published must be published once, however often it takes to hear of it.
  const bool publishes = request.samples().empty() && !request.validate_only();
  if (!publishes || !request.request_id().empty()) return Call(&Stub::Rebalance, request, deadline);
  v1::RebalanceRequest with_id = request;
  with_id.set_request_id(absl::StrCat(id_prefix_, absl::Hex(++ids_)));
  return Call(&Stub::Rebalance, with_id, deadline);
}

absl::StatusOr<v1::ListDeploymentsResponse> Client::ListDeployments(const v1::ListDeploymentsRequest& request) {
  return Call(&Stub::ListDeployments, request, options_.deadline);
}

absl::StatusOr<std::vector<v1::Deployment>> Client::AllDeployments(v1::ListDeploymentsRequest request) {
  std::vector<v1::Deployment> all;
  request.clear_page_token();
  do {
    EPLB_ASSIGN_OR_RETURN(v1::ListDeploymentsResponse page, ListDeployments(request));
    all.insert(all.end(), page.deployments().begin(), page.deployments().end());
    if (!page.next_page_token().empty() && page.next_page_token() == request.page_token()) {
      return absl::InternalError("the server's pages do not end: next_page_token is the token that was sent");
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<v1::GetPlacementResponse> Client::GetPlacement(const v1::GetPlacementRequest& request) {
  return Call(&Stub::GetPlacement, request, options_.deadline);
}

absl::StatusOr<v1::UpdateDeploymentResponse> Client::UpdateDeployment(const v1::UpdateDeploymentRequest& request) {
  return Call(&Stub::UpdateDeployment, request, options_.deadline);
}

}  // namespace eplb
