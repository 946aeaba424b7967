#include "client/client.h"

#include <gmock/gmock.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/rebalance_messages.h"
#include "server/base/field_errors.h"
#include "tests/support/freezing_proxy.h"
#include "tests/support/in_process_server.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Options whose waits are noted instead of waited.
ClientOptions Options(const std::string& target, std::vector<absl::Duration>& waits) {
  return {.target = target, .jitter_seed = 1, .sleep = [&](absl::Duration wait) { waits.push_back(wait); }};
}

TEST(ClientTest, RefusesOptionsThatCannotWork) {
  ClientOptions options;
  options.retry.max_attempts = 0;
  options.tls = ClientTlsOptions{.private_key = "key"};
  const absl::Status status = Client::Create(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(FieldErrorsOf(status), SizeIs(3)) << status;
}

TEST(ClientTest, ASlowConnectionIsWaitedFor) {
  InProcessServer server;
  const testing::FreezingProxy slow(server.server().port(), /*first_delay_milliseconds=*/1000);
  ClientOptions options{.target = slow.address()};
  options.retry.max_attempts = 1;
  const auto client = Client::Create(std::move(options));
  ASSERT_TRUE(client.ok()) << client.status();
  const auto response = (*client)->Rebalance(MakeRequest());
  EXPECT_TRUE(response.ok()) << response.status();
}

TEST(ClientTest, Rebalances) {
  const InProcessServer server;
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(server.address(), waits));
  ASSERT_TRUE(client.ok()) << client.status();
  const auto response = (*client)->Rebalance(MakeRequest());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->layers_size(), 2);
  EXPECT_THAT(waits, SizeIs(0));
}

TEST(ClientTest, BadRequestsNameTheFieldsAndAreNotTriedAgain) {
  const InProcessServer server;
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(server.address(), waits));
  v1::RebalanceRequest request = MakeRequest();
  request.mutable_topology()->set_num_gpus(-1);
  const absl::Status status = (*client)->Rebalance(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("topology.num_gpus: -1"));
  EXPECT_THAT(waits, SizeIs(0));
}

TEST(ClientTest, TriesAnAbsentServerAgainAndThenNamesIt) {
  std::string address;
  {
    const InProcessServer server;
    address = server.address();
  }
  std::vector<absl::Duration> waits;
  ClientOptions options = Options(address, waits);
  options.retry.max_attempts = 3;
  const auto client = Client::Create(options);
  const absl::Status status = (*client)->Rebalance(MakeRequest()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(address));
  EXPECT_THAT(waits, SizeIs(2));
}

// A server of this process for one service of the test's own, at a free port.
template <typename Service>
class OneServiceServer {
 public:
  OneServiceServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service);
    server_ = builder.BuildAndStart();
  }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  Service service;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Ends the first calls as a gRPC server does that closes its port at that moment.
class ClosingService final : public v1::EplbService::Service {
 public:
  grpc::Status Rebalance(grpc::ServerContext*, const v1::RebalanceRequest*, v1::RebalanceResponse*) override {
    return ++calls < 3 ? grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED") : grpc::Status::OK;
  }
  std::atomic<int> calls{0};
};

TEST(ClientTest, CallsThatAServerCancelledAreTriedAgain) {
  OneServiceServer<ClosingService> server;
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(server.address(), waits));
  EXPECT_TRUE((*client)->Rebalance(MakeRequest()).ok());
  EXPECT_THAT(waits, SizeIs(2));
}

// Loses the first answer to each id, and remembers all ids.
class ForgetfulService final : public v1::EplbService::Service {
 public:
  grpc::Status Rebalance(grpc::ServerContext*, const v1::RebalanceRequest* request, v1::RebalanceResponse*) override {
    const bool is_new = ids.empty() || ids.back() != request->request_id();
    ids.push_back(request->request_id());
    return is_new ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "") : grpc::Status::OK;
  }
  std::vector<std::string> ids;
};

TEST(ClientTest, WhatPublishesIsTriedAgainUnderOneIdOfItsOwn) {
  OneServiceServer<ForgetfulService> server;
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(server.address(), waits));
  const auto other = Client::Create(Options(server.address(), waits));
  v1::RebalanceRequest publish;
  publish.set_deployment("prod/r1");
  EXPECT_TRUE((*client)->Rebalance(publish).ok());
  EXPECT_TRUE((*client)->Rebalance(publish).ok());
  EXPECT_TRUE((*other)->Rebalance(publish).ok());
  publish.set_request_id("mine");
  EXPECT_TRUE((*client)->Rebalance(publish).ok());
  ASSERT_THAT(server.service.ids, SizeIs(8));
  const std::set<std::string> different(server.service.ids.begin(), server.service.ids.end());
  EXPECT_THAT(different, SizeIs(4)) << "one for each call, whoever makes it";
  EXPECT_THAT(different, Not(Contains("")));
  EXPECT_EQ(server.service.ids.back(), "mine");
  for (const std::string& id : different) EXPECT_LE(id.size(), 128U);
}

TEST(ClientTest, WhatPublishesNothingNeedsNoId) {
  OneServiceServer<ForgetfulService> server;
  server.service.ids = {""};  // so that the first try is answered
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(server.address(), waits));
  EXPECT_TRUE((*client)->Rebalance(MakeRequest()).ok());
  v1::RebalanceRequest dry;
  dry.set_deployment("prod/r1");
  dry.set_validate_only(true);
  EXPECT_TRUE((*client)->Rebalance(dry).ok());
  EXPECT_THAT(server.service.ids, Each(""));
}

TEST(ClientTest, AMessageThatIsTooLargeIsNotTriedAgain) {
  const InProcessServer server({.server = {.max_message_bytes = 1000}});
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(server.address(), waits));
  const absl::Status status =
      (*client)->Rebalance(MakeRequest({.layers = 9, .experts = 64, .slots = 64, .gpus = 4})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(waits, SizeIs(0));
}

TEST(ClientTest, APastDeadlineIsAnError) {
  const InProcessServer server;
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(server.address(), waits));
  EXPECT_EQ((*client)->Rebalance(MakeRequest(), absl::ZeroDuration()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(PlacementFromResponseTest, AnAnswerThatIsNoPlacementIsTheServersFault) {
  v1::RebalanceResponse response;
  response.add_layers()->add_physical_to_logical(7);
  const std::vector<int> layers = {0};
  EXPECT_EQ(PlacementFromResponse(response, layers, 2, 3).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace eplb
