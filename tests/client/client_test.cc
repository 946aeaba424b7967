#include "client/client.h"

#include <gmock/gmock.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
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

using ::testing::HasSubstr;
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

// Ends the first calls as a gRPC server does that closes its port at that moment.
class ClosingService final : public v1::EplbService::Service {
 public:
  grpc::Status Rebalance(grpc::ServerContext*, const v1::RebalanceRequest*, v1::RebalanceResponse*) override {
    return ++calls < 3 ? grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED") : grpc::Status::OK;
  }
  std::atomic<int> calls{0};
};

TEST(ClientTest, CallsThatAServerCancelledAreTriedAgain) {
  ClosingService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::vector<absl::Duration> waits;
  const auto client = Client::Create(Options(absl::StrCat("127.0.0.1:", port), waits));
  EXPECT_TRUE((*client)->Rebalance(MakeRequest()).ok());
  EXPECT_THAT(waits, SizeIs(2));
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
