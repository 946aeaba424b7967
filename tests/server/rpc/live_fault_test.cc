// What the live service does to peers that do not behave: that do not read, that vanish without a word, that send
// garbage.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/error_details.h"
#include "tests/support/freezing_proxy.h"
#include "tests/support/live_server.h"

namespace eplb {
namespace {

using ::eplb::testing::FreezingProxy;
using ::eplb::testing::HelloMessage;
using ::eplb::testing::LiveServer;
using ::eplb::testing::ReportMessage;
using ::eplb::testing::TelemetryClient;
using ::eplb::testing::WaitUntil;
using ::eplb::testing::WatchClient;
using ::eplb::testing::WatchMessage;

v1::GetPlacementResponse GetPlacement(v1::EplbService::Stub& stub) {
  grpc::ClientContext context;
  v1::GetPlacementRequest request;
  request.set_deployment("prod/r1");
  v1::GetPlacementResponse response;
  EXPECT_TRUE(stub.GetPlacement(&context, request, &response).ok());
  return response;
}

// 64 layers of 256 slots: a placement is 20 KB, so that a few fill a connection's buffers.
constexpr int kLayers = 64;
constexpr int kSlots = 256;

v1::StreamTelemetryRequest LargeHello() {
  v1::StreamTelemetryRequest request = HelloMessage();
  v1::TelemetryHello& hello = *request.mutable_hello();
  hello.mutable_spec()->mutable_topology()->set_num_slots(kSlots);
  hello.mutable_spec()->set_num_experts(kSlots - 8);
  hello.mutable_spec()->clear_model_layers();
  hello.clear_current();
  for (int layer = 0; layer < kLayers; ++layer) {
    hello.mutable_spec()->add_model_layers(layer);
    v1::LayerPlacement& current = *hello.add_current();
    current.set_model_layer(layer);
    for (int slot = 0; slot < kSlots; ++slot) current.add_physical_to_logical(slot % (kSlots - 8));
  }
  return request;
}

v1::StreamTelemetryRequest LargeReport(std::uint64_t sequence) {
  v1::StreamTelemetryRequest request = ReportMessage(sequence);
  request.mutable_report()->mutable_expert_tokens()->Resize(kLayers * (kSlots - 8), 5);
  return request;
}

// One worker that applies each version as soon as it is published.
class DiligentWorker {
 public:
  explicit DiligentWorker(LiveServer& server) : server_(server), stub_(server->NewStub()), stream_(*stub_) {
    stream_.Send(LargeHello());
    EXPECT_TRUE(stream_.Read().has_value());
  }
  ~DiligentWorker() { stream_.Cancel(); }

  // Returns the version that came of one more report.
  v1::PlacementVersion NextVersion() {
    stream_.Send(LargeReport(++sequence_));
    WaitUntil([&] { return GetPlacement(*stub_).workers(0).reports() == sequence_; });
    server_.Interval();
    const v1::PlacementVersion version = GetPlacement(*stub_).placement().version();
    v1::ReportPlacementStatusRequest request;
    request.set_deployment("prod/r1");
    request.set_worker_id("w0");
    request.set_incarnation("i0");
    *request.mutable_version() = version;
    request.set_state(v1::PLACEMENT_STATE_APPLIED);
    v1::ReportPlacementStatusResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->ReportPlacementStatus(&context, request, &response).ok());
    return version;
  }

 private:
  LiveServer& server_;
  std::unique_ptr<v1::EplbService::Stub> stub_;
  TelemetryClient stream_;
  std::uint64_t sequence_ = 0;
};

TEST(LiveFaultTest, AStreamWithoutAHelloIsEndedAndOneWithAHelloIsKept) {
  InProcessServerOptions options;
  options.parts.hello_deadline = absl::Milliseconds(300);
  LiveServer server({}, std::move(options));
  const std::unique_ptr<v1::EplbService::Stub> stub = server->NewStub();
  TelemetryClient greeting(*stub);
  ASSERT_TRUE(greeting.Send(HelloMessage()));
  ASSERT_TRUE(greeting.Read().has_value());
  TelemetryClient silent(*stub);
  EXPECT_EQ(silent.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  TelemetryClient another(*stub);  // by its end the first one's deadline has passed too
  EXPECT_EQ(another.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(GetPlacement(*stub).workers(0).liveness(), v1::WORKER_LIVENESS_LIVE);
  ASSERT_TRUE(greeting.Send(ReportMessage(1)));
  WaitUntil([&] { return GetPlacement(*stub).workers(0).reports() == 1; });
  greeting.Cancel();
}

TEST(LiveFaultTest, AWatcherThatDoesNotReadGetsOneDeltaWhenItReadsAgain) {
  LiveServer server;
  DiligentWorker worker(server);
  const std::unique_ptr<v1::EplbService::Stub> stub = server->NewStub();
  WatchClient subscriber(*stub, WatchMessage());
  WatchClient sleeper(*stub, WatchMessage("prod/r1", "", ""));
  ASSERT_TRUE(sleeper.Read().has_value());
  constexpr int kVersions = 100;
  v1::PlacementVersion newest;
  for (int i = 0; i < kVersions; ++i) newest = worker.NextVersion();
  ASSERT_EQ(newest.revision(), kVersions);

  int events = 0;
  v1::WatchPlacementsResponse last;
  while (last.version().revision() != newest.revision()) {
    const auto event = sleeper.Read();
    ASSERT_TRUE(event.has_value());
    last = *event;
    ++events;
  }
  EXPECT_LT(events, kVersions / 2) << "what it missed came as one";
  EXPECT_EQ(last.placement().layers_size(), kLayers);
  subscriber.Cancel();
  sleeper.Cancel();
}

TEST(LiveFaultTest, OverloadDropsReportsAndAsksForFewer) {
  HubOptions options;
  options.max_reports_per_second = 4;
  LiveServer server(options);
  const std::unique_ptr<v1::EplbService::Stub> stub = server->NewStub();
  TelemetryClient worker(*stub);
  worker.Send(HelloMessage());
  ASSERT_EQ(worker.Read()->report_interval().seconds(), 5);
  for (std::uint64_t sequence = 1; sequence <= 16; ++sequence) worker.Send(ReportMessage(sequence));
  auto told = worker.Read();
  while (told && told->acked_sequence() < 16) told = worker.Read();
  ASSERT_TRUE(told.has_value()) << "all are acknowledged, so that nobody sends them again";
  EXPECT_EQ(GetPlacement(*stub).workers(0).reports(), 4);
  server.clock.Advance(absl::Seconds(1));
  worker.Send(ReportMessage(17));
  WaitUntil([&] { return GetPlacement(*stub).workers(0).reports() == 5; });
  server.Interval();
  told = worker.Read();
  while (told && !told->has_report_interval()) told = worker.Read();
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->report_interval().seconds(), 10);
  EXPECT_EQ(told->overload().dropped_reports(), 12);
  worker.Cancel();
}

TEST(LiveFaultTest, WhoDoesNotHeedTheLongestIntervalIsRefusedAndToldWhenToComeBack) {
  HubOptions options;
  options.max_reports_per_second = 1;
  options.max_report_interval = options.report_interval;
  LiveServer server(options);
  const std::unique_ptr<v1::EplbService::Stub> stub = server->NewStub();
  TelemetryClient worker(*stub);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  std::uint64_t sequence = 0;
  int seconds = 0;
  for (bool open = true; open && seconds < 10; ++seconds) {
    for (int i = 0; i < 16; ++i) worker.Send(ReportMessage(++sequence));
    auto told = worker.Read();
    while (told && told->acked_sequence() < sequence) told = worker.Read();
    open = told.has_value();
    server.clock.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(seconds, 1 + 5 + 1) << "one to see it, five to heed it";
  const grpc::Status status = worker.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RetryDelayOf(StatusFromGrpc(status)), options.report_interval);
}

TEST(LiveFaultTest, ShutdownDoesNotWaitForAWatcherThatDoesNotRead) {
  LiveServer server;
  DiligentWorker worker(server);
  const std::unique_ptr<v1::EplbService::Stub> stub = server->NewStub();
  WatchClient sleeper(*stub, WatchMessage());
  for (int i = 0; i < 40; ++i) worker.NextVersion();
  const absl::Time start = absl::Now();
  server->server().Shutdown(absl::Minutes(10));
  EXPECT_LT(absl::Now() - start, absl::Minutes(5));
  EXPECT_EQ(sleeper.Finish().error_code(), grpc::StatusCode::UNAVAILABLE) << "so that it comes again";
}

TEST(LiveFaultTest, PeersThatVanishAreNoticed) {
  InProcessServerOptions options;
  options.server.keepalive_interval = absl::Milliseconds(100);
  options.server.keepalive_timeout = absl::Milliseconds(100);
  LiveServer server({}, options);
  FreezingProxy proxy(server->server().port());
  const std::unique_ptr<v1::EplbService::Stub> far_stub =
      v1::EplbService::NewStub(NewPlaintextChannel(proxy.address()));
  TelemetryClient worker(*far_stub);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  WatchClient watch(*far_stub, WatchMessage());
  const std::unique_ptr<v1::EplbService::Stub> near_stub = server->NewStub();
  WaitUntil([&] { return GetPlacement(*near_stub).workers(0).watching(); });

  proxy.Freeze();

  WaitUntil([&] { return !GetPlacement(*near_stub).workers(0).watching(); });
  EXPECT_EQ(GetPlacement(*near_stub).workers_size(), 1) << "it is waited for, as it did not say goodbye";
  worker.Cancel();
  watch.Cancel();
}

TEST(LiveFaultTest, GarbageEndsAStreamAndNothingElse) {
  LiveServer server;
  const std::shared_ptr<grpc::Channel> channel = server->NewChannel();
  const std::unique_ptr<v1::EplbService::Stub> stub = v1::EplbService::NewStub(channel);
  TelemetryClient worker(*stub);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  for (const char* method : {"StreamTelemetry", "WatchPlacements", "GetPlacement", "ReportPlacementStatus",
                             "ListDeployments", "UpdateDeployment"}) {
    grpc::GenericStub generic(channel);
    grpc::ClientContext context;
    const grpc::Slice garbage("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    const grpc::ByteBuffer request(&garbage, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    generic.UnaryCall(&context, std::string("/eplb.v1.EplbService/") + method, {}, &request, &response,
                      [&done](grpc::Status status) { done.set_value(std::move(status)); });
    EXPECT_EQ(done.get_future().get().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
  }
  worker.Send(ReportMessage(1));
  WaitUntil([&] { return GetPlacement(*stub).workers(0).reports() == 1; });
  worker.Cancel();
}

}  // namespace
}  // namespace eplb
