#ifndef EPLB_CLIENT_CLIENT_H_
#define EPLB_CLIENT_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/client_options.h"
#include "eplb/v1/eplb_service.grpc.pb.h"

namespace eplb {

// Calls one EPLB service. Errors are those of the service with its details decoded (error_details.h); UNAVAILABLE names
// the target. Thread-safe; calls block their thread, retries included.
class Client {
 public:
  // Checks the options; connects with the first call. INVALID_ARGUMENT names the option that is wrong.
  static absl::StatusOr<std::unique_ptr<Client>> Create(ClientOptions options);

  // The same over an existing stub, as one to an in-process server or a fake.
  Client(ClientOptions options, std::unique_ptr<v1::EplbService::StubInterface> stub);

  // Plans a placement. Tried again while the service is unavailable or busy, until the deadline of the options or the
  // one given here (of all tries together). One that publishes (no samples, not validate_only) and has no request_id is
  // given one, so that a try whose answer was lost is not done twice.
  absl::StatusOr<v1::RebalanceResponse> Rebalance(const v1::RebalanceRequest& request);
  absl::StatusOr<v1::RebalanceResponse> Rebalance(const v1::RebalanceRequest& request, absl::Duration deadline);

  // One page of deployments; AllDeployments follows the pages to the end, whatever page_token says.
  absl::StatusOr<v1::ListDeploymentsResponse> ListDeployments(const v1::ListDeploymentsRequest& request);
  absl::StatusOr<std::vector<v1::Deployment>> AllDeployments(v1::ListDeploymentsRequest request);
  // The newest placement, and who is how far with it. NOT_FOUND where the deployment is not known.
  absl::StatusOr<v1::GetPlacementResponse> GetPlacement(const v1::GetPlacementRequest& request);
  // Changes how a deployment is controlled; done twice it leaves the same, so it is tried again as the others are.
  absl::StatusOr<v1::UpdateDeploymentResponse> UpdateDeployment(const v1::UpdateDeploymentRequest& request);

  // The options, with defaults filled in.
  const ClientOptions& options() const { return options_; }

  // The service itself, for calls that this class does not wrap.
  v1::EplbService::StubInterface& stub() { return *stub_; }

 private:
  using Stub = v1::EplbService::StubInterface;

  absl::Status Named(absl::Status status) const;
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, absl::Duration deadline);

  const ClientOptions options_;
  const std::unique_ptr<v1::EplbService::StubInterface> stub_;
  const std::string id_prefix_;          // of the request ids that it makes up
  std::atomic<std::uint64_t> ids_{0};    // made up
  std::atomic<std::uint64_t> calls_{0};  // makes each call's jitter its own
};

}  // namespace eplb

#endif  // EPLB_CLIENT_CLIENT_H_
