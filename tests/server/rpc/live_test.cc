// The live service through real channels: telemetry streams, watches and the calls about deployments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/error_details.h"
#include "tests/support/live_server.h"

namespace eplb {
namespace {

using ::eplb::testing::HelloMessage;
using ::eplb::testing::LiveServer;
using ::eplb::testing::ReportMessage;
using ::eplb::testing::TelemetryClient;
using ::eplb::testing::WaitUntil;
using ::eplb::testing::WatchClient;
using ::eplb::testing::WatchMessage;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

v1::GetPlacementResponse GetPlacement(v1::EplbService::Stub& stub, const std::string& deployment = "prod/r1") {
  grpc::ClientContext context;
  v1::GetPlacementRequest request;
  request.set_deployment(deployment);
  v1::GetPlacementResponse response;
  const grpc::Status status = stub.GetPlacement(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

std::uint64_t ReportsFolded(v1::EplbService::Stub& stub) {
  const v1::GetPlacementResponse response = GetPlacement(stub);
  return response.workers().empty() ? 0 : response.workers(0).reports();
}

grpc::Status ReportApplied(v1::EplbService::Stub& stub, const v1::PlacementVersion& version) {
  grpc::ClientContext context;
  v1::ReportPlacementStatusRequest request;
  request.set_deployment("prod/r1");
  request.set_worker_id("w0");
  request.set_incarnation("i0");
  *request.mutable_version() = version;
  request.set_state(v1::PLACEMENT_STATE_APPLIED);
  v1::ReportPlacementStatusResponse response;
  return stub.ReportPlacementStatus(&context, request, &response);
}

class LiveTest : public ::testing::Test {
 protected:
  LiveServer server_;
  std::unique_ptr<v1::EplbService::Stub> stub_ = server_->NewStub();
};

TEST_F(LiveTest, AHelloIsAnsweredWithTheInterval) {
  TelemetryClient worker(*stub_);
  ASSERT_TRUE(worker.Send(HelloMessage()));
  const auto answer = worker.Read();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->report_interval().seconds(), 5);
  EXPECT_FALSE(answer->need_full_hello());
  EXPECT_EQ(answer->control().mode(), v1::DEPLOYMENT_MODE_AUTOMATIC);
  worker.HalfClose();
  EXPECT_TRUE(worker.Finish().ok());
}

TEST_F(LiveTest, ReportsAreAcknowledgedNowAndThen) {
  TelemetryClient worker(*stub_);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  for (std::uint64_t sequence = 1; sequence <= 8; ++sequence) worker.Send(ReportMessage(sequence));
  const auto answer = worker.Read();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->acked_sequence(), 8);
  EXPECT_FALSE(answer->has_report_interval()) << "as before";
  EXPECT_EQ(ReportsFolded(*stub_), 8U);
  worker.Cancel();
  worker.Finish();
}

TEST_F(LiveTest, ReportsBecomeAPlacementThatAWatcherAppliesAndThenADelta) {
  TelemetryClient worker(*stub_);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  WatchClient watch(*stub_, WatchMessage());
  worker.Send(ReportMessage(1));
  WaitUntil([&] { return ReportsFolded(*stub_) == 1; });
  server_.Interval();

  auto event = watch.Read();
  while (event && !event->has_placement()) event = watch.Read();
  ASSERT_TRUE(event.has_value());
  const v1::PlacementVersion first = event->version();
  EXPECT_EQ(first.revision(), 1);
  EXPECT_EQ(event->placement().activation(), v1::ACTIVATION_IMMEDIATE);
  ASSERT_TRUE(ReportApplied(*stub_, first).ok());
  EXPECT_EQ(GetPlacement(*stub_).deployment().applied_workers(), 1);
  EXPECT_EQ(GetPlacement(*stub_).workers(0).state(), v1::PLACEMENT_STATE_APPLIED);

  worker.Send(ReportMessage(2));
  WaitUntil([&] { return ReportsFolded(*stub_) == 2; });
  server_.Interval();
  event = watch.Read();
  while (event && !event->has_placement()) event = watch.Read();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->version().revision(), 2);
  EXPECT_EQ(event->placement().base().revision(), 1) << "a delta";
  EXPECT_GT(event->placement().transfers_size(), 0);
  EXPECT_FALSE(event->placement().has_spec());
  watch.Cancel();
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::CANCELLED);
  worker.Cancel();
  worker.Finish();
}

TEST_F(LiveTest, OnlookersGetTheWholePlacementWithItsSpec) {
  TelemetryClient worker(*stub_);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  WatchClient watch(*stub_, WatchMessage());
  worker.Send(ReportMessage(1));
  WaitUntil([&] { return ReportsFolded(*stub_) == 1; });
  server_.Interval();
  WatchClient onlooker(*stub_, WatchMessage("prod/r1", "", ""));
  auto event = onlooker.Read();
  while (event && !event->has_placement()) event = onlooker.Read();
  ASSERT_TRUE(event.has_value());
  EXPECT_FALSE(event->placement().has_base());
  EXPECT_EQ(event->placement().layers_size(), 2);
  EXPECT_EQ(event->placement().layers(0).model_layer(), 3);
  EXPECT_EQ(event->placement().spec().num_experts(), 8);
  onlooker.Cancel();
  watch.Cancel();
  worker.Cancel();
}

TEST_F(LiveTest, TrafficSharesThatAHelloTellsAreKeptForTheOthers) {
  v1::StreamTelemetryRequest message = HelloMessage();
  v1::TelemetryHello& hello = *message.mutable_hello();
  hello.mutable_applied()->set_epoch(7);
  hello.mutable_applied()->set_revision(2);
  const std::vector<double> shares = {0.75, 0.5, 0.5, 0.5, 1, 1, 1, 1, 0.25, 0.5, 0.5, 0.5};
  hello.mutable_current(0)->mutable_slot_shares()->Add(shares.begin(), shares.end());
  TelemetryClient worker(*stub_);
  worker.Send(message);
  ASSERT_TRUE(worker.Read().has_value());

  WatchClient onlooker(*stub_, WatchMessage("prod/r1", "", ""));
  auto event = onlooker.Read();
  while (event && !event->has_placement()) event = onlooker.Read();
  ASSERT_TRUE(event.has_value());
  EXPECT_THAT(event->placement().layers(0).slot_shares(), ElementsAreArray(shares));
  EXPECT_EQ(event->version().revision(), 2);
  onlooker.Cancel();
  worker.Cancel();
}

TEST_F(LiveTest, BadHellosAndReportsEndTheStreamWithTheField) {
  struct Case {
    std::string name;
    std::vector<v1::StreamTelemetryRequest> messages;
    std::string violation;
  };
  v1::StreamTelemetryRequest bad_spec = HelloMessage();
  bad_spec.mutable_hello()->mutable_spec()->mutable_topology()->set_num_gpus(0);
  v1::StreamTelemetryRequest bad_name = HelloMessage();
  bad_name.mutable_hello()->mutable_spec()->set_deployment("no spaces");
  v1::StreamTelemetryRequest bad_current = HelloMessage();
  bad_current.mutable_hello()->mutable_current(1)->set_physical_to_logical(3, 99);
  v1::StreamTelemetryRequest bad_shares = HelloMessage();
  for (const double share : {0.75, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5}) {
    bad_shares.mutable_hello()->mutable_current(0)->add_slot_shares(share);
  }
  v1::StreamTelemetryRequest bad_phase = ReportMessage(1);
  bad_phase.mutable_report()->set_phase(static_cast<v1::Phase>(9));
  const Case cases[] = {
      {"a report first", {ReportMessage(1)}, "message: a report: the first must be a hello"},
      {"nothing", {v1::StreamTelemetryRequest()}, "message: must be a hello or a report"},
      {"spec", {bad_spec}, "hello.spec.topology.num_gpus: 0: must be from 1 to 16384"},
      {"name", {bad_name}, "hello.spec.deployment"},
      {"current", {bad_current}, "hello.current[1].physical_to_logical[3]: 99: must be from -1 (empty) to 7"},
      {"shares", {bad_shares}, "hello.current[0].slot_shares"},
      {"phase", {HelloMessage(), bad_phase}, "report.phase: 9: must be a known phase"},
      {"sequence", {HelloMessage(), ReportMessage(0)}, "sequence"},
  };
  for (const Case& bad : cases) {
    TelemetryClient worker(*stub_);
    for (const v1::StreamTelemetryRequest& message : bad.messages) worker.Send(message);
    const grpc::Status status = worker.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << bad.name << ": " << status.error_message();
    EXPECT_THAT(Violations(status), ElementsAre(HasSubstr(bad.violation))) << bad.name;
  }
}

TEST_F(LiveTest, ADifferingSpecFailsThePrecondition) {
  TelemetryClient worker(*stub_);
  v1::StreamTelemetryRequest first = HelloMessage();
  first.mutable_hello()->set_num_ranks(2);
  worker.Send(first);
  ASSERT_TRUE(worker.Read().has_value());
  v1::StreamTelemetryRequest second = HelloMessage("prod/r1", "w1", "i1");
  second.mutable_hello()->set_first_rank(2);
  second.mutable_hello()->set_num_ranks(2);
  second.mutable_hello()->mutable_spec()->set_bytes_per_expert(17);
  TelemetryClient other(*stub_);
  other.Send(second);
  const grpc::Status status = other.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("bytes_per_expert"));
  worker.Cancel();
}

TEST_F(LiveTest, ANewIncarnationEndsTheFormerStream) {
  TelemetryClient former(*stub_);
  former.Send(HelloMessage());
  ASSERT_TRUE(former.Read().has_value());
  TelemetryClient later(*stub_);
  later.Send(HelloMessage("prod/r1", "w0", "i1"));
  EXPECT_EQ(former.Finish().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_TRUE(later.Read().has_value());
  later.Cancel();
}

TEST_F(LiveTest, AGoodbyeForgetsTheWorkerAndABreakDoesNot) {
  {
    TelemetryClient worker(*stub_);
    worker.Send(HelloMessage());
    ASSERT_TRUE(worker.Read().has_value());
    worker.Cancel();
    worker.Finish();
  }
  EXPECT_EQ(GetPlacement(*stub_).workers_size(), 1) << "it may come back";
  TelemetryClient worker(*stub_);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  worker.HalfClose();
  EXPECT_TRUE(worker.Finish().ok());
  WaitUntil([&] { return GetPlacement(*stub_).workers_size() == 0; });
}

TEST_F(LiveTest, AWatchOfNothingIsNotFound) {
  WatchClient watch(*stub_, WatchMessage("never/heard", "", ""));
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LiveTest, StatusReportsAreChecked) {
  grpc::ClientContext context;
  v1::ReportPlacementStatusResponse response;
  const grpc::Status status = stub_->ReportPlacementStatus(&context, v1::ReportPlacementStatusRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(LiveTest, DeploymentsAreListedInPages) {
  std::vector<std::unique_ptr<TelemetryClient>> workers;
  for (const char* name : {"a/1", "a/2", "b/1"}) {
    workers.push_back(std::make_unique<TelemetryClient>(*stub_));
    workers.back()->Send(HelloMessage(name));
    ASSERT_TRUE(workers.back()->Read().has_value());
  }
  v1::ListDeploymentsRequest request;
  request.set_page_size(1);
  request.set_name_prefix("a/");
  std::vector<std::string> names;
  do {
    grpc::ClientContext context;
    v1::ListDeploymentsResponse page;
    ASSERT_TRUE(stub_->ListDeployments(&context, request, &page).ok());
    for (const v1::Deployment& deployment : page.deployments()) names.push_back(deployment.deployment());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("a/1", "a/2"));
  for (const auto& worker : workers) worker->Cancel();
}

TEST_F(LiveTest, APauseIsToldToTheWorkers) {
  TelemetryClient worker(*stub_);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  grpc::ClientContext context;
  v1::UpdateDeploymentRequest request;
  request.set_deployment("prod/r1");
  request.set_mode(v1::DEPLOYMENT_MODE_PAUSED);
  request.add_drain_gpus(2);
  request.set_comment("GPU 2 is hot");
  v1::UpdateDeploymentResponse response;
  ASSERT_TRUE(stub_->UpdateDeployment(&context, request, &response).ok());
  EXPECT_EQ(response.control().mode(), v1::DEPLOYMENT_MODE_PAUSED);
  const auto told = worker.Read();
  ASSERT_TRUE(told.has_value());
  EXPECT_THAT(told->control().draining_gpus(), ElementsAre(2));
  EXPECT_EQ(told->control().comment(), "GPU 2 is hot");
  EXPECT_FALSE(told->has_report_interval());
  worker.Cancel();
}

TEST_F(LiveTest, RebalanceWithoutSamplesNeedsADeploymentThatIsThere) {
  v1::RebalanceRequest request;
  v1::RebalanceResponse response;
  grpc::ClientContext nameless;
  EXPECT_THAT(Violations(stub_->Rebalance(&nameless, request, &response)),
              ElementsAre("deployment: must be given without samples"));
  request.set_deployment("never/heard");
  grpc::ClientContext unknown;
  EXPECT_EQ(stub_->Rebalance(&unknown, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LiveTest, AStormOfReconnectsLeavesNothingBehind) {
  constexpr int kWorkers = 200;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const std::shared_ptr<grpc::Channel> channel = server_->NewChannel();
      const std::unique_ptr<v1::EplbService::Stub> stub = v1::EplbService::NewStub(channel);
      for (int i = thread; i < kWorkers; i += 4) {
        TelemetryClient worker(*stub);
        worker.Send(HelloMessage("storm/" + std::to_string(i)));
        EXPECT_TRUE(worker.Read().has_value());
        if (i % 2 == 0) {
          worker.HalfClose();
        } else {
          worker.Cancel();
        }
        worker.Finish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  grpc::ClientContext context;
  v1::ListDeploymentsResponse list;
  ASSERT_TRUE(stub_->ListDeployments(&context, v1::ListDeploymentsRequest(), &list).ok());
  EXPECT_EQ(list.deployments_size(), kWorkers);
}

}  // namespace
}  // namespace eplb
