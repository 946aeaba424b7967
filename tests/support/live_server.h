#ifndef EPLB_TESTS_SUPPORT_LIVE_SERVER_H_
#define EPLB_TESTS_SUPPORT_LIVE_SERVER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "eplb/v1/eplb_service.grpc.pb.h"
#include "server/planner/hub.h"
#include "tests/support/fake_clock.h"
#include "tests/support/in_process_server.h"
#include "tests/support/scripted_planner.h"

namespace eplb::testing {

// A server with live deployments, whose time stands still until it is told to go on.
class LiveServer {
 public:
  explicit LiveServer(HubOptions options = {}, InProcessServerOptions server_options = {})
      : hub_(CreateHub(options, clock, planner, nullptr)) {
    server_options.parts.hub = hub_.get();
    server_.emplace(std::move(server_options));
  }

  Hub& hub() { return *hub_; }
  InProcessServer& operator*() { return *server_; }
  InProcessServer* operator->() { return &*server_; }

  // Lets a report interval pass and runs what is due.
  void Interval(absl::Duration interval = absl::Seconds(5)) {
    clock.Advance(interval);
    hub_->RunDue();
  }

  FakeClock clock;
  ScriptedPlanner planner;

 private:
  std::unique_ptr<Hub> hub_;  // outlives the server's streams
  std::optional<InProcessServer> server_;
};

// 2 layers of 8 experts, 12 slots on 4 GPUs; one worker reports for all ranks.
inline v1::StreamTelemetryRequest HelloMessage(const std::string& deployment = "prod/r1",
                                               const std::string& worker = "w0",
                                               const std::string& incarnation = "i0") {
  v1::StreamTelemetryRequest request;
  v1::TelemetryHello& hello = *request.mutable_hello();
  hello.set_worker_id(worker);
  hello.set_incarnation(incarnation);
  hello.set_num_ranks(4);
  v1::DeploymentSpec& spec = *hello.mutable_spec();
  spec.set_deployment(deployment);
  spec.mutable_topology()->set_num_gpus(4);
  spec.mutable_topology()->set_num_slots(12);
  spec.set_num_experts(8);
  for (const int layer : {3, 4}) {
    spec.add_model_layers(layer);
    v1::LayerPlacement& current = *hello.add_current();
    current.set_model_layer(layer);
    for (int slot = 0; slot < 12; ++slot) current.add_physical_to_logical(slot % 8);
  }
  return request;
}

inline v1::StreamTelemetryRequest ReportMessage(std::uint64_t sequence) {
  v1::StreamTelemetryRequest request;
  v1::LoadReport& report = *request.mutable_report();
  report.set_sequence(sequence);
  report.mutable_window()->set_seconds(5);
  for (std::uint64_t i = 0; i < 16; ++i) report.add_expert_tokens(10 + i);
  return request;
}

// One telemetry stream of a client; blocking calls.
class TelemetryClient {
 public:
  explicit TelemetryClient(v1::EplbService::Stub& stub) : stream_(stub.StreamTelemetry(&context_)) {}

  bool Send(const v1::StreamTelemetryRequest& request) { return stream_->Write(request); }
  // The next message; nullopt at the end.
  std::optional<v1::StreamTelemetryResponse> Read() {
    v1::StreamTelemetryResponse response;
    if (!stream_->Read(&response)) return std::nullopt;
    return response;
  }
  // Says goodbye, or not.
  void HalfClose() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }
  grpc::Status Finish() {
    while (Read()) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse>> stream_;
};

// One watch of a client; blocking calls.
class WatchClient {
 public:
  WatchClient(v1::EplbService::Stub& stub, const v1::WatchPlacementsRequest& request)
      : stream_(stub.WatchPlacements(&context_, request)) {}

  std::optional<v1::WatchPlacementsResponse> Read() {
    v1::WatchPlacementsResponse response;
    if (!stream_->Read(&response)) return std::nullopt;
    return response;
  }
  void Cancel() { context_.TryCancel(); }
  grpc::Status Finish() {
    while (Read()) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchPlacementsResponse>> stream_;
};

inline v1::WatchPlacementsRequest WatchMessage(const std::string& deployment = "prod/r1",
                                               const std::string& worker = "w0",
                                               const std::string& incarnation = "i0") {
  v1::WatchPlacementsRequest request;
  request.set_deployment(deployment);
  request.set_worker_id(worker);
  request.set_incarnation(incarnation);
  return request;
}

// Returns once it holds; the tests' own time limit is what ends it otherwise.
template <typename Condition>
void WaitUntil(const Condition& condition) {
  while (!condition()) std::this_thread::yield();
}

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_LIVE_SERVER_H_
