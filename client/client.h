#ifndef EPLB_CLIENT_CLIENT_H_
#define EPLB_CLIENT_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <memory>

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
  // one given here (of all tries together).
  absl::StatusOr<v1::RebalanceResponse> Rebalance(const v1::RebalanceRequest& request);
  absl::StatusOr<v1::RebalanceResponse> Rebalance(const v1::RebalanceRequest& request, absl::Duration deadline);

  // The service itself, for calls that this class does not wrap.
  v1::EplbService::StubInterface& stub() { return *stub_; }

 private:
  absl::Status Named(absl::Status status) const;

  const ClientOptions options_;
  const std::unique_ptr<v1::EplbService::StubInterface> stub_;
  std::atomic<std::uint64_t> calls_{0};  // makes each call's jitter its own
};

}  // namespace eplb

#endif  // EPLB_CLIENT_CLIENT_H_
