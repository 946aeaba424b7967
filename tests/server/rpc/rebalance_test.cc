// Rebalance through a real channel to a server in this process.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/balancer/balancer.h"
#include "server/rpc/convert/rebalance_request.h"
#include "tests/support/error_details.h"
#include "tests/support/in_process_server.h"
#include "tests/support/rebalance_calls.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Without the one field in which equal plans differ.
std::string PlanBytes(v1::RebalanceResponse response) {
  response.clear_compute_duration();
  return response.SerializeAsString();
}

// Sends bytes that need not be a message.
grpc::Status CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                     const std::string& bytes) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, method, {}, &request, &response,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

// Holds all threads of a pool until it goes out of scope.
class PoolBlocker {
 public:
  PoolBlocker(WorkerPool& pool, int threads) {
    for (int i = 0; i < threads; ++i) {
      std::promise<void> started;
      EXPECT_TRUE(pool.TrySubmit([this, &started] {
        started.set_value();
        released_.wait();
      }));
      started.get_future().wait();
    }
  }
  ~PoolBlocker() { Release(); }
  void Release() {
    if (!std::exchange(done_, true)) release_.set_value();
  }

 private:
  bool done_ = false;
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
};

// Counts the calls that the server has open.
class OpenCalls final : public RpcObserver {
 public:
  void OnCallStarted(RpcMethod) override { ++open_; }
  void OnMessageReceived(RpcMethod, std::size_t) override {}
  void OnMessageSent(RpcMethod, std::size_t) override {}
  void OnCallFinished(RpcMethod, int, absl::Duration) override { --open_; }

  void WaitForNone() const {
    while (open_ > 0) std::this_thread::yield();
  }

 private:
  std::atomic<int> open_ = 0;
};

TEST(RebalanceTest, AnswersWhatTheCorePlans) {
  InProcessServer server;
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    v1::RebalanceRequest request =
        MakeRequest({.layers = 5, .experts = 16, .slots = 24, .gpus = 8, .nodes = 2, .groups = 4, .seed = seed});
    if (seed % 2 == 0) AddContiguousCurrent(request);
    const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
    ASSERT_TRUE(input.ok()) << input.status();
    const absl::StatusOr<RebalancePlan> plan = PlanRebalance(input->problem(), input->options, SerialFor());
    ASSERT_TRUE(plan.ok()) << plan.status();

    const Answer answer = Call(*stub, request);

    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    ASSERT_EQ(answer.response.layers_size(), 5);
    for (int layer = 0; layer < 5; ++layer) {
      EXPECT_THAT(answer.response.layers(layer).physical_to_logical(),
                  ::testing::ElementsAreArray(plan->placement.layer(layer)));
      EXPECT_EQ(answer.response.layers(layer).model_layer(), 3 + layer);
    }
    EXPECT_EQ(answer.response.summary().step_time_after(), plan->step_time_after());
    EXPECT_EQ(answer.response.summary().fetches(), plan->fetches());
    EXPECT_NE(answer.response.policy(), v1::POLICY_UNSPECIFIED);
  }
}

TEST(RebalanceTest, EqualRequestsGetEqualBytes) {
  InProcessServer server;
  const v1::RebalanceRequest request = MakeRequest({.layers = 20, .experts = 64, .slots = 72, .gpus = 8});
  const Answer first = Call(*server.NewStub(), request);
  ASSERT_TRUE(first.status.ok());
  EXPECT_EQ(PlanBytes(first.response), PlanBytes(Call(*server.NewStub(), request).response));
}

TEST(RebalanceTest, ServesManyThreadsAtOnce) {
  InProcessServer server({.queue_capacity = 1000});
  const v1::RebalanceRequest request = MakeRequest({.layers = 10, .experts = 64, .slots = 72, .gpus = 8});
  const std::string expected = PlanBytes(Call(*server.NewStub(), request).response);
  std::atomic<int> equal = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
      for (int call = 0; call < 20; ++call) {
        const Answer answer = Call(*stub, request);
        if (answer.status.ok() && PlanBytes(answer.response) == expected) ++equal;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, 8 * 20);
}

TEST(RebalanceTest, BadFieldsAreNamedWithValueAndBound) {
  InProcessServer server;
  v1::RebalanceRequest request = MakeRequest();
  request.mutable_topology()->set_num_gpus(0);
  request.mutable_samples(0)->mutable_layers(1)->set_model_layer(3);

  const grpc::Status status = Call(*server.NewStub(), request).status;

  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Violations(status),
              ElementsAre("topology.num_gpus: 0: must be from 1 to 16384",
                          "samples[0].layers[1].model_layer: 3: must not be that of layers[0] too"));
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->domain(), "eplb");
  EXPECT_EQ(info->reason(), "INVALID_REQUEST");
}

TEST(RebalanceTest, MalformedBytesAreInvalid) {
  InProcessServer server;
  const std::shared_ptr<grpc::Channel> channel = server.NewChannel();
  const std::string valid = MakeRequest().SerializeAsString();
  const std::string cases[] = {"\xff\xff\xff", std::string("\x12\x7f", 2), valid.substr(0, valid.size() - 3),
                               std::string("\x1a\x03\x12\x7f\x01", 5), std::string(100, '\0')};
  for (const std::string& bytes : cases) {
    const grpc::Status status = CallRaw(channel, "/eplb.v1.EplbService/Rebalance", bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr("no valid eplb.v1.RebalanceRequest"));
  }
}

TEST(RebalanceTest, OversizedMessagesAreRefused) {
  InProcessServer server({.server = {.max_message_bytes = 70'000}});
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  v1::RebalanceRequest request = MakeRequest();
  request.set_deployment(std::string(70'000, 'x'));
  EXPECT_EQ(Call(*stub, request).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  request.clear_deployment();
  EXPECT_TRUE(Call(*stub, request).status.ok()) << "the connection survives";
}

TEST(RebalanceTest, NamesThatAreNoTextAreRefusedBeforeAnythingReadsThem) {
  InProcessServer server;
  const std::shared_ptr<grpc::Channel> channel = server.NewChannel();
  for (const std::string& field : {std::string("\x0a\x01\xff"), std::string("\x62\x02\xc3\x28")}) {
    const grpc::Status status = CallRaw(channel, "/eplb.v1.EplbService/Rebalance", field);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("no valid eplb.v1.RebalanceRequest"));
  }
}

TEST(RebalanceTest, AFullQueueShedsWithRetryInfo) {
  InProcessServer server({.planning_threads = 1, .queue_capacity = 1});
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  PoolBlocker blocker(server.pool(), 1);
  ASSERT_TRUE(server.pool().TrySubmit([] {}));  // takes the only room in the queue

  const grpc::Status status = Call(*stub, MakeRequest()).status;

  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Reason(status), "PLANNING_QUEUE_FULL");
  const auto retry = FindDetail<google::rpc::RetryInfo>(status);
  ASSERT_TRUE(retry.has_value());
  EXPECT_GT(retry->retry_delay().seconds(), 0);
  blocker.Release();
  server.pool().Drain();
}

TEST(RebalanceTest, TooManyQueuedBytesAreShed) {
  EplbServiceParts parts;
  parts.max_queued_bytes = 10;
  InProcessServer server({.parts = parts});
  const grpc::Status status = Call(*server.NewStub(), MakeRequest()).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(RebalanceTest, CancelledBeforeTheStartIsNotPlanned) {
  PlanCounter counter;
  OpenCalls calls;
  EplbServiceParts parts;
  parts.rebalance_observer = &counter;
  InProcessServer server({.parts = parts, .planning_threads = 1, .observer = &calls});
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  PoolBlocker blocker(server.pool(), 1);
  grpc::ClientContext context;
  v1::RebalanceResponse response;
  const v1::RebalanceRequest request = MakeRequest();
  std::promise<grpc::Status> done;
  stub->async()->Rebalance(&context, &request, &response,
                           [&done](grpc::Status status) { done.set_value(std::move(status)); });
  while (server.pool().queue_depth() == 0) std::this_thread::yield();
  context.TryCancel();
  EXPECT_EQ(done.get_future().get().error_code(), grpc::StatusCode::CANCELLED);
  calls.WaitForNone();
  blocker.Release();
  server.pool().Drain();
  EXPECT_EQ(counter.planned, 0);
}

// Holds the first loop of a plan before its last layer until it is let go.
class HeldLoop final : public ParallelFor {
 public:
  int width() const override { return 1; }
  void Run(int count, const std::function<void(int, int)>& body) const override {
    const bool first = ++runs_ == 1;
    for (int index = 0; index < count; ++index) {
      if (first && index == count - 1) {
        held_.set_value();
        released_.wait();
      }
      body(index, 0);
    }
  }

  void WaitUntilHeld() { held_.get_future().wait(); }
  void Release() { release_.set_value(); }
  int runs() const { return runs_; }

 private:
  mutable std::atomic<int> runs_ = 0;
  mutable std::promise<void> held_;
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
};

// A server that is in the middle of its first plan.
struct MidPlan {
  explicit MidPlan(const v1::RebalanceRequest& first) : request(first) {
    EplbServiceParts parts;
    parts.parallel = &loop;
    parts.rebalance_observer = &counter;
    server.emplace(InProcessServerOptions{.parts = parts, .planning_threads = 1, .observer = &calls});
    stub = server->NewStub();
    stub->async()->Rebalance(&context, &request, &response,
                             [this](grpc::Status status) { done.set_value(std::move(status)); });
    loop.WaitUntilHeld();
  }

  const v1::RebalanceRequest request;
  HeldLoop loop;
  PlanCounter counter;
  OpenCalls calls;
  std::optional<InProcessServer> server;
  std::unique_ptr<v1::EplbService::Stub> stub;
  grpc::ClientContext context;
  v1::RebalanceResponse response;
  std::promise<grpc::Status> done;
};

TEST(RebalanceTest, CancelledInTheMiddleOfThePlanFreesTheThread) {
  MidPlan plan(MakeRequest());
  plan.context.TryCancel();
  EXPECT_EQ(plan.done.get_future().get().error_code(), grpc::StatusCode::CANCELLED);
  plan.calls.WaitForNone();
  plan.loop.Release();
  EXPECT_TRUE(Call(*plan.stub, MakeRequest({.seed = 2})).status.ok()) << "the only thread is free";
  EXPECT_EQ(plan.counter.planned, 1) << "the first plan was given up";
}

TEST(RebalanceTest, AShutdownInTheMiddleOfThePlanGivesItUp) {
  MidPlan plan(MakeRequest());
  plan.server->server().Shutdown(absl::ZeroDuration());
  EXPECT_FALSE(plan.done.get_future().get().ok());
  plan.loop.Release();
  plan.server->pool().Drain();
  EXPECT_EQ(plan.counter.planned, 0);
  EXPECT_EQ(plan.loop.runs(), 1) << "no further loop was begun";
}

TEST(RebalanceTest, APlanThatOneOfItsCallersStillWaitsForGoesOn) {
  v1::RebalanceRequest request = MakeRequest();
  request.set_request_id("step-19");
  MidPlan plan(request);
  std::future<grpc::Status> other =
      std::async(std::launch::async, [&] { return Call(*plan.server->NewStub(), request).status; });
  while (plan.counter.deduplicated == 0) std::this_thread::yield();
  plan.context.TryCancel();
  EXPECT_EQ(plan.done.get_future().get().error_code(), grpc::StatusCode::CANCELLED);
  plan.loop.Release();
  EXPECT_TRUE(other.get().ok());
  EXPECT_EQ(plan.counter.planned, 1);
}

TEST(RebalanceTest, PastDeadlinesAreNotPlanned) {
  PlanCounter counter;
  OpenCalls calls;
  EplbServiceParts parts;
  parts.rebalance_observer = &counter;
  InProcessServer server({.parts = parts, .planning_threads = 1, .observer = &calls});
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  ASSERT_TRUE(Call(*stub, MakeRequest()).status.ok());  // connected
  PoolBlocker blocker(server.pool(), 1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  v1::RebalanceResponse response;
  EXPECT_EQ(stub->Rebalance(&context, MakeRequest(), &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  calls.WaitForNone();  // the server's deadline is a little later
  blocker.Release();
  server.pool().Drain();
  EXPECT_EQ(counter.planned, 1);
}

TEST(RebalanceTest, EqualRequestIdsGetTheFirstAnswer) {
  PlanCounter counter;
  EplbServiceParts parts;
  parts.rebalance_observer = &counter;
  InProcessServer server({.parts = parts, .planning_threads = 1});
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  v1::RebalanceRequest request = MakeRequest();
  request.set_request_id("step-17");
  const Answer first = Call(*stub, request);
  const Answer again = Call(*stub, request);
  ASSERT_TRUE(first.status.ok());
  EXPECT_EQ(first.response.SerializeAsString(), again.response.SerializeAsString()) << "compute_duration too";
  EXPECT_EQ(counter.planned, 1);
  EXPECT_EQ(counter.deduplicated, 1);
}

TEST(RebalanceTest, EqualRequestIdsAtOnceWaitForOnePlan) {
  PlanCounter counter;
  EplbServiceParts parts;
  parts.rebalance_observer = &counter;
  InProcessServer server({.parts = parts, .planning_threads = 1, .queue_capacity = 1});
  PoolBlocker blocker(server.pool(), 1);
  v1::RebalanceRequest request = MakeRequest();
  request.set_request_id("step-18");
  std::vector<std::future<grpc::Status>> calls;
  for (int rank = 0; rank < 16; ++rank) {
    calls.push_back(std::async(std::launch::async, [&] { return Call(*server.NewStub(), request).status; }));
  }
  // A call that ends before the plan may start has failed: that ends the wait, and is told below.
  const auto any_ended = [&calls] {
    return std::any_of(calls.begin(), calls.end(), [](const std::future<grpc::Status>& call) {
      return call.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
  };
  while (counter.deduplicated < 15 && !any_ended()) std::this_thread::yield();
  blocker.Release();
  for (std::future<grpc::Status>& call : calls) EXPECT_TRUE(call.get().ok());
  EXPECT_EQ(counter.planned, 1) << "although the queue has room for one alone";
}

TEST(RebalanceTest, AReusedRequestIdIsRefused) {
  InProcessServer server;
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  v1::RebalanceRequest request = MakeRequest({.seed = 1});
  request.set_request_id("same");
  ASSERT_TRUE(Call(*stub, request).status.ok());
  request = MakeRequest({.seed = 2});
  request.set_request_id("same");
  const grpc::Status status = Call(*stub, request).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Reason(status), "REQUEST_ID_REUSED");
}

TEST(RebalanceTest, TooFewUsableSlotsFailThePrecondition) {
  InProcessServer server;
  v1::RebalanceRequest request = MakeRequest();
  request.add_excluded_gpus(0);
  request.add_draining_gpus(2);
  const grpc::Status status = Call(*server.NewStub(), request).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("usable slots 6 < experts 8: 2 experts cannot be placed"));
  EXPECT_TRUE(FindDetail<google::rpc::PreconditionFailure>(status).has_value());
}

}  // namespace
}  // namespace eplb
