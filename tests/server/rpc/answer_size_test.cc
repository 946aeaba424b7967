// Answers that are larger than a message may be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "server/planner/adaptive_tick_planner.h"
#include "tests/support/error_details.h"
#include "tests/support/live_server.h"
#include "tests/support/rebalance_calls.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::eplb::testing::HelloMessage;
using ::eplb::testing::ReportMessage;
using ::eplb::testing::TelemetryClient;
using ::eplb::testing::WaitUntil;
using ::eplb::testing::WatchClient;
using ::eplb::testing::WatchMessage;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

TEST(AnswerSizeTest, APlanThatIsTooLargeToTellNamesWhyAndIsNotToBeTriedAgain) {
  PlanCounter counter;
  EplbServiceParts parts;
  parts.rebalance_observer = &counter;
  InProcessServer server({.server = {.max_message_bytes = 10'000}, .parts = parts});
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  v1::RebalanceRequest request = MakeRequest({.layers = 2, .experts = 8, .slots = 6000, .gpus = 4});

  const grpc::Status beforehand = Call(*stub, request).status;

  EXPECT_EQ(beforehand.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Violations(beforehand), ElementsAre("topology.num_slots: 6000: must be at most 4992 in each of 2 layers: "
                                                  "the answer must fit into 10000 bytes"));
  EXPECT_EQ(counter.planned, 0);

  request.mutable_topology()->set_num_slots(2000);
  request.set_max_routing_entries(10'000);
  const grpc::Status afterwards = Call(*stub, request).status;

  EXPECT_EQ(afterwards.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << afterwards.error_message();
  ASSERT_EQ(Violations(afterwards).size(), 1U);
  EXPECT_THAT(Violations(afterwards)[0], HasSubstr("max_routing_entries: 2 layers x 2000 slots: the answer has "));
  EXPECT_THAT(Violations(afterwards)[0], HasSubstr("must be at most 10000"));
  EXPECT_EQ(Reason(afterwards), "ANSWER_TOO_LARGE");
  EXPECT_FALSE(FindDetail<google::rpc::RetryInfo>(afterwards).has_value());
  request.clear_max_routing_entries();
  EXPECT_TRUE(Call(*stub, request).status.ok());
}

// A paused deployment with loads, on a server that plans for real and sends no larger messages.
class PausedDeployment {
 public:
  explicit PausedDeployment(int max_message_bytes) {
    EplbServiceParts parts;
    parts.hub = hub_.get();
    server_.emplace(InProcessServerOptions{.server = {.max_message_bytes = max_message_bytes}, .parts = parts});
    stub = server_->NewStub();
    worker_.emplace(*stub);
    worker_->Send(HelloMessage());
    EXPECT_TRUE(worker_->Read().has_value());
    EXPECT_TRUE(hub_->UpdateDeployment("prod/r1", {.mode = DeploymentMode::kPaused}, false).ok());
    // With the second one counted the first has opened its sub-window.
    worker_->Send(ReportMessage(1));
    worker_->Send(ReportMessage(2));
    WaitUntil([&] { return hub_->GetPlacement("prod/r1")->workers[0].reports == 2; });
    clock_.Advance(absl::Seconds(5));
    hub_->RunDue();
    watch_.emplace(*stub, WatchMessage());  // without a subscriber nothing is published
    WaitUntil([&] { return hub_->GetPlacement("prod/r1")->workers[0].watching; });
  }
  ~PausedDeployment() {
    worker_->Cancel();
    watch_->Cancel();
  }

  grpc::Status Publish(v1::RebalanceResponse& response) {
    v1::RebalanceRequest request;
    request.set_deployment("prod/r1");
    request.set_force(true);
    request.set_max_routing_entries(100);
    grpc::ClientContext context;
    return stub->Rebalance(&context, request, &response);
  }

  std::unique_ptr<v1::EplbService::Stub> stub;

 private:
  testing::FakeClock clock_;
  const SerialFor serial_;
  const AdaptiveTickPlanner planner_{serial_};
  const std::unique_ptr<Hub> hub_ = CreateHub({}, clock_, planner_, nullptr);
  std::optional<InProcessServer> server_;
  std::optional<TelemetryClient> worker_;
  std::optional<WatchClient> watch_;
};

constexpr int kPlenty = 1 << 20;

TEST(AnswerSizeTest, WhatIsPublishedIsAnsweredWithWhatFits) {
  v1::RebalanceResponse whole;
  ASSERT_TRUE(PausedDeployment(kPlenty).Publish(whole).ok());
  ASSERT_TRUE(whole.has_version());
  ASSERT_GT(whole.layers(0).logical_to_physical_size(), 0);
  ASSERT_GT(whole.transfers_size(), 0);
  const int bytes = static_cast<int>(whole.ByteSizeLong());
  const int a_little_less = bytes - 20;  // more than what answers differ by in their times

  v1::RebalanceResponse without_map;
  const grpc::Status status = PausedDeployment(a_little_less).Publish(without_map);

  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(without_map.has_version());
  EXPECT_EQ(without_map.layers(0).logical_to_physical_size(), 0);
  EXPECT_EQ(without_map.transfers_size(), whole.transfers_size());
  EXPECT_THAT(without_map.layers(0).physical_to_logical(), ElementsAreArray(whole.layers(0).physical_to_logical()));
}

TEST(AnswerSizeTest, APlacementThatIsTooLargeToTellSaysSo) {
  v1::GetPlacementRequest request;
  request.set_deployment("prod/r1");
  v1::GetPlacementResponse response;
  PausedDeployment plenty(kPlenty);
  grpc::ClientContext small;
  ASSERT_TRUE(plenty.stub->GetPlacement(&small, request, &response).ok());
  const int enough = static_cast<int>(response.ByteSizeLong()) + 20;
  request.set_max_routing_entries(100);
  grpc::ClientContext large;
  ASSERT_TRUE(plenty.stub->GetPlacement(&large, request, &response).ok());
  ASSERT_GT(static_cast<int>(response.ByteSizeLong()), enough);

  PausedDeployment tight(enough);
  grpc::ClientContext context;
  const grpc::Status status = tight.stub->GetPlacement(&context, request, &response);

  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("must be at most"));
  EXPECT_EQ(Reason(status), "ANSWER_TOO_LARGE");
  EXPECT_FALSE(FindDetail<google::rpc::RetryInfo>(status).has_value()) << "it stays too large";
}

}  // namespace
}  // namespace eplb
