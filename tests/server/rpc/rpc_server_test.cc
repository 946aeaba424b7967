// The server around the service: health, reflection, ports, observation, draining.
#include "server/rpc/rpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "tests/support/error_details.h"
#include "tests/support/in_process_server.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

struct RawAnswer {
  grpc::Status status;
  std::string bytes;
};

RawAnswer CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, const std::string& bytes) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, method, {}, &request, &response,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  RawAnswer answer{.status = done.get_future().get(), .bytes = {}};
  grpc::Slice all;
  if (response.Valid() && response.DumpToSingleSlice(&all).ok()) {
    answer.bytes.assign(reinterpret_cast<const char*>(all.begin()), all.size());
  }
  return answer;
}

// grpc.health.v1.HealthCheckRequest{service}; the response's only field is the status, 1 SERVING and 2 NOT_SERVING.
std::string Health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  std::string request;
  if (!service.empty()) request = std::string("\x0a") + static_cast<char>(service.size()) + service;
  const RawAnswer answer = CallRaw(channel, "/grpc.health.v1.Health/Check", request);
  if (!answer.status.ok()) return "error " + std::to_string(answer.status.error_code());
  if (answer.bytes == "\x08\x01") return "SERVING";
  if (answer.bytes == "\x08\x02") return "NOT_SERVING";
  return "odd answer";
}

constexpr char kService[] = "eplb.v1.EplbService";

TEST(RpcServerTest, HealthFollowsTheServerOnBothPorts) {
  InProcessServer server({.server = {.health_listen_address = "127.0.0.1:0"}});
  ASSERT_NE(server.server().port(), server.server().health_port());
  const std::shared_ptr<grpc::Channel> main = server.NewChannel();
  const std::shared_ptr<grpc::Channel> probe = NewPlaintextChannel(server.health_address());
  for (const auto& channel : {main, probe}) {
    EXPECT_EQ(Health(channel, ""), "SERVING");
    EXPECT_EQ(Health(channel, kService), "SERVING");
    EXPECT_EQ(Health(channel, "no.such.Service"), "error 5");
  }
  server.server().SetServing(false);
  for (const auto& channel : {main, probe}) EXPECT_EQ(Health(channel, kService), "NOT_SERVING");
  server.server().SetServing(true);
  server.server().StartDraining();
  server.server().SetServing(true);
  for (const auto& channel : {main, probe}) {
    EXPECT_EQ(Health(channel, ""), "NOT_SERVING") << "for good";
    EXPECT_EQ(Health(channel, kService), "NOT_SERVING");
  }
}

TEST(RpcServerTest, TheHealthPortServesNothingElse) {
  InProcessServer server({.server = {.health_listen_address = "127.0.0.1:0", .channelz = true}});
  const std::shared_ptr<grpc::Channel> probe = NewPlaintextChannel(server.health_address());
  for (const char* method :
       {"/eplb.v1.EplbService/Rebalance", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.channelz.v1.Channelz/GetServers"}) {
    EXPECT_EQ(CallRaw(probe, method, "").status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
  }
}

// ServerReflectionRequest{list_services: "*"}, one message of a stream, sent as if unary.
std::string ListServices(const std::shared_ptr<grpc::Channel>& channel) {
  return CallRaw(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", std::string("\x3a\x01*"))
      .bytes;
}

TEST(RpcServerTest, ReflectionListsTheServices) {
  InProcessServer server;
  const std::string services = ListServices(server.NewChannel());
  EXPECT_THAT(services, HasSubstr(kService));
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
}

TEST(RpcServerTest, ReflectionAndChannelzCanBeLeftOut) {
  InProcessServer with_channelz({.server = {.channelz = true}});
  EXPECT_TRUE(CallRaw(with_channelz.NewChannel(), "/grpc.channelz.v1.Channelz/GetServers", "").status.ok());
  InProcessServer server({.server = {.reflection = false}});
  EXPECT_EQ(ListServices(server.NewChannel()), "");
  EXPECT_EQ(CallRaw(server.NewChannel(), "/grpc.channelz.v1.Channelz/GetServers", "").status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST(RpcServerTest, ATakenPortIsRefused) {
  InProcessServer server;
  EplbServiceParts parts;
  WorkerPool pool(1, 1);
  parts.pool = &pool;
  const SerialFor serial;
  parts.parallel = &serial;
  const auto second = RpcServer::Start({.listen_address = server.address()}, parts, nullptr);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(server.address()));
}

// Keeps "method code" of each finished call.
class CallLog final : public RpcObserver {
 public:
  void OnCallStarted(RpcMethod) override { ++in_flight; }
  void OnMessageReceived(RpcMethod, std::size_t bytes) override { received += bytes; }
  void OnMessageSent(RpcMethod, std::size_t bytes) override { sent += bytes; }
  void OnCallFailed(RpcMethod method, int code, std::string_view message) override {
    MutexLock lock(mutex);
    failed[std::string(RpcMethodName(method)) + " " + std::string(RpcCodeName(code))] = message;
  }
  void OnCallFinished(RpcMethod method, int code, absl::Duration latency) override {
    EXPECT_GE(latency, absl::ZeroDuration());
    {
      MutexLock lock(mutex);
      ++finished[std::string(RpcMethodName(method)) + " " + std::string(RpcCodeName(code))];
    }
    --in_flight;
  }

  std::atomic<int> in_flight = 0;
  std::atomic<std::size_t> received = 0;
  std::atomic<std::size_t> sent = 0;
  Mutex mutex;
  std::map<std::string, int> finished;
  std::map<std::string, std::string> failed;  // to the message of the last one
};

TEST(RpcServerTest, EveryCallIsObservedUnderAKnownName) {
  CallLog log;
  std::size_t request_bytes = 0;
  std::size_t response_bytes = 0;
  {
    InProcessServer server({.server = {.health_listen_address = "127.0.0.1:0"}, .observer = &log});
    const std::shared_ptr<grpc::Channel> channel = server.NewChannel();
    const std::unique_ptr<v1::EplbService::Stub> stub = v1::EplbService::NewStub(channel);
    v1::RebalanceRequest request = MakeRequest();
    v1::RebalanceResponse response;
    grpc::ClientContext good;
    ASSERT_TRUE(stub->Rebalance(&good, request, &response).ok());
    request_bytes = request.ByteSizeLong();
    response_bytes = response.ByteSizeLong();
    request.clear_topology();
    request_bytes += request.ByteSizeLong();
    grpc::ClientContext bad;
    ASSERT_FALSE(stub->Rebalance(&bad, request, &response).ok());
    EXPECT_EQ(Health(NewPlaintextChannel(server.health_address()), ""), "SERVING");
    EXPECT_FALSE(CallRaw(channel, "/no.such.Service/Method", "").status.ok());
    EXPECT_FALSE(CallRaw(channel, "/eplb.v1.EplbService/NoSuchMethod", "").status.ok());
  }
  MutexLock lock(log.mutex);
  EXPECT_EQ(log.finished["eplb.v1.EplbService/Rebalance OK"], 1);
  EXPECT_EQ(log.finished["eplb.v1.EplbService/Rebalance INVALID_ARGUMENT"], 1);
  EXPECT_EQ(log.finished["grpc.health.v1.Health/Check OK"], 1);
  EXPECT_EQ(log.finished["other UNIMPLEMENTED"], 2);
  EXPECT_THAT(log.failed["eplb.v1.EplbService/Rebalance INVALID_ARGUMENT"], HasSubstr("topology"));
  EXPECT_EQ(log.failed.count("eplb.v1.EplbService/Rebalance OK"), 0U);
  EXPECT_EQ(log.in_flight, 0);
  EXPECT_EQ(log.received, request_bytes);
  EXPECT_EQ(log.sent, response_bytes);
}

TEST(RpcServerTest, DrainingFinishesWhatIsOpenAndRefusesWhatIsNew) {
  InProcessServer server({.planning_threads = 1});
  const std::shared_ptr<grpc::Channel> channel = server.NewChannel();
  const std::unique_ptr<v1::EplbService::Stub> stub = v1::EplbService::NewStub(channel);
  std::promise<void> release;
  std::promise<void> started;
  ASSERT_TRUE(server.pool().TrySubmit([&] {
    started.set_value();
    release.get_future().wait();
  }));
  started.get_future().wait();
  grpc::ClientContext context;
  v1::RebalanceResponse response;
  const v1::RebalanceRequest request = MakeRequest();
  std::promise<grpc::Status> done;
  stub->async()->Rebalance(&context, &request, &response,
                           [&done](grpc::Status status) { done.set_value(std::move(status)); });
  while (server.pool().queue_depth() == 0) std::this_thread::yield();

  server.server().StartDraining();
  std::thread shutdown([&] { server.server().Shutdown(absl::Seconds(60)); });
  // Until the listener is closed calls may still be taken, and then wait behind the blocked one; one that comes just
  // as it closes is ended by gRPC with CANCELLED.
  grpc::Status refused;
  do {
    grpc::ClientContext late;
    late.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    v1::RebalanceResponse unused;
    refused = server.NewStub()->Rebalance(&late, request, &unused);
  } while (refused.error_code() != grpc::StatusCode::UNAVAILABLE);
  release.set_value();
  EXPECT_TRUE(done.get_future().get().ok()) << "in flight when the drain began";
  shutdown.join();
}

TEST(RpcServerTest, WithoutLiveDeploymentsTheirMethodsSaySo) {
  InProcessServer server;
  for (const char* method : {"StreamTelemetry", "WatchPlacements", "ReportPlacementStatus", "GetPlacement",
                             "ListDeployments", "UpdateDeployment"}) {
    const grpc::Status status = CallRaw(server.NewChannel(), std::string("/eplb.v1.EplbService/") + method, "").status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << method;
    EXPECT_EQ(Reason(status), "LIVE_DEPLOYMENTS_DISABLED") << method;
  }
}

}  // namespace
}  // namespace eplb
