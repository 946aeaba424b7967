// The worker of the example in client/live/fleet_worker.h and README.md, whole, with a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "client/channel.h"
#include "client/client.h"
#include "client/live/fleet_worker.h"
#include "tests/support/server_process.h"

namespace eplb::testing {
namespace {

class MyEngine final : public Engine {
 public:
  void Prepare(std::shared_ptr<const PlacementChange> /*change*/, Done done) override {
    done(absl::OkStatus());  // an engine copies the weights first: what change->layers hold that it lacks
  }
  void Activate(const PlacementChange& change) override {
    if (!std::exchange(told_, true)) activated.set_value(change);
  }
  void Discard(const PlacementChange& /*change*/) override {}
  bool TakeLoads(v1::LoadReport& report) override {
    report.mutable_window()->set_seconds(1);
    for (const std::uint64_t tokens : {9000U, 1000U, 1000U, 1000U}) report.add_expert_tokens(tokens);
    return true;
  }

  std::promise<PlacementChange> activated;

 private:
  bool told_ = false;
};

v1::DeploymentSpec SmallSpec() {
  v1::DeploymentSpec spec;
  spec.set_deployment("prod/small");
  spec.mutable_topology()->set_num_gpus(2);
  spec.mutable_topology()->set_num_slots(6);
  spec.add_model_layers(3);
  spec.set_num_experts(4);
  spec.set_bytes_per_expert(1000);
  return spec;
}

v1::LayerPlacement SmallLayer() {
  v1::LayerPlacement layer;
  layer.set_model_layer(3);
  for (const int expert : {0, 1, 0, 2, 3, 2}) layer.add_physical_to_logical(expert);
  return layer;
}

TEST(MinimalWorkerTest, GetsAndAppliesPlacements) {
  ServerProcess server({EPLB_SERVER, "--grpc.listen_address=127.0.0.1:0", "--health.listen_address=",
                        "--metrics.listen_address=", "--drain.delay=0s", "--telemetry.report_interval=0.1s"});
  const std::string address = LogValue(server.WaitForLine("event=server_ready"), "grpc");

  const auto stub = v1::EplbService::NewStub(*NewChannel({.target = address, .one_server = true}));
  EventLoop loop;
  MyEngine engine;
  FleetWorker worker({.spec = SmallSpec(),
                      .worker_id = "worker-0",
                      .incarnation = "started-at-12:00",
                      .first_rank = 0,
                      .num_ranks = 2,
                      .initial = {SmallLayer()}},
                     *stub, loop, engine);
  worker.Start();

  const PlacementChange change = engine.activated.get_future().get();
  ASSERT_EQ(change.layers.size(), 1U);
  const auto& slots = change.layers[0].physical_to_logical();
  ASSERT_EQ(slots.size(), 6);
  EXPECT_EQ(std::count(slots.begin(), slots.begin() + 3, 0), 1) << "the hot expert is on both GPUs now";
  EXPECT_EQ(std::count(slots.begin() + 3, slots.end(), 0), 1);
  worker.Stop(/*departing=*/true);
}

// The channel ends with the last call on it, after the worker and the stub.
TEST(MinimalWorkerTest, MayEndAtAnyMomentAndTheStubBeforeTheLoop) {
  ServerProcess server({EPLB_SERVER, "--grpc.listen_address=127.0.0.1:0", "--health.listen_address=",
                        "--metrics.listen_address=", "--drain.delay=0s", "--telemetry.report_interval=0.1s"});
  const std::string address = LogValue(server.WaitForLine("event=server_ready"), "grpc");
  for (int round = 0; round < 40; ++round) {
    EventLoop loop;
    MyEngine engine;
    const auto stub = v1::EplbService::NewStub(*NewChannel({.target = address, .max_message_bytes = 1000 + round}));
    FleetWorker worker({.spec = SmallSpec(),
                        .worker_id = "worker-0",
                        .incarnation = std::to_string(round),
                        .num_ranks = 2,
                        .initial = {SmallLayer()}},
                       *stub, loop, engine);
    worker.Start();
    while (round % 2 == 0 && !worker.Stats().connected) std::this_thread::yield();
    worker.Stop(/*departing=*/round % 4 == 0);
  }
}

TEST(MinimalControllerTest, AsksForAPlacementAndSeesTheFleets) {
  ServerProcess server({EPLB_SERVER, "--grpc.listen_address=127.0.0.1:0",
                        "--health.listen_address=", "--metrics.listen_address=", "--drain.delay=0s"});
  const std::string address = LogValue(server.WaitForLine("event=server_ready"), "grpc");

  const std::unique_ptr<Client> client = *Client::Create({.target = address});
  v1::RebalanceRequest request;
  request.mutable_topology()->set_num_gpus(2);
  request.mutable_topology()->set_num_slots(6);
  v1::LayerLoad& load = *request.add_samples()->add_layers();
  for (const std::uint64_t tokens : {1000U, 9000U, 1000U, 1000U}) load.add_tokens(tokens);
  request.mutable_samples(0)->set_weight(1);
  const absl::StatusOr<v1::RebalanceResponse> plan = client->Rebalance(request);

  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->layers(0).physical_to_logical_size(), 6);
  EXPECT_LT(plan->summary().step_time_after(), plan->summary().step_time_before());
  EXPECT_TRUE(client->AllDeployments({})->empty());
}

}  // namespace
}  // namespace eplb::testing
