// A real server process, simulated workers in this process, and eplbctl as an operator runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/channel.h"
#include "client/client.h"
#include "client/live/held_placement.h"
#include "client/simulator/simulated_fleet.h"
#include "tests/support/server_process.h"
#include "tests/support/subprocess.h"

namespace eplb::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

constexpr absl::Duration kPatience = absl::Seconds(30);  // far more than anything here takes on a busy machine
constexpr int kWorkers = 4;

// A server on any free port, or on the given address, that asks for five reports a second.
class Server {
 public:
  explicit Server(std::vector<std::string> flags = {}, const std::string& address = "127.0.0.1:0") {
    flags.insert(flags.begin(), {EPLB_SERVER, "--grpc.listen_address=" + address, "--health.listen_address=127.0.0.1:0",
                                 "--metrics.listen_address=", "--drain.delay=0s", "--telemetry.report_interval=0.2s",
                                 "--planner.rejection_backoff=0.2s"});
    process_ = std::make_unique<ServerProcess>(flags);
    address_ = LogValue(process_->WaitForLine("event=server_ready"), "grpc");
    EXPECT_THAT(address_, HasSubstr("127.0.0.1:")) << process_->log();
  }
  void Kill() {
    process_->Signal(SIGKILL);
    process_->WaitForEnd();
  }
  const std::string& address() const { return address_; }

 private:
  std::unique_ptr<ServerProcess> process_;
  std::string address_;
};

FleetOptions SmallFleet(const std::string& deployment) {
  return {.deployment = deployment,
          .topology = {.num_gpus = 8, .num_nodes = 2, .num_groups = 4, .num_slots = 40},
          .num_workers = kWorkers,
          .drift = {.num_layers = 4, .num_experts = 32, .drift = 0.02},
          .bytes_per_expert = 1 << 20};
}

class LiveEndToEndTest : public ::testing::Test {
 protected:
  void StartServer(const std::vector<std::string>& flags = {}) {
    server_ = std::make_unique<Server>(flags);
    client_ = *Client::Create({.target = server_->address()});
    stub_ = v1::EplbService::NewStub(*NewTestChannel());
  }
  void StartFleet(FleetOptions options) {
    deployment_ = options.deployment;
    fleet_ = *SimulatedFleet::Create(std::move(options), *stub_, loop_);
    fleet_->Start();
  }
  void TearDown() override {
    if (fleet_ != nullptr) fleet_->Stop();
    fleet_ = nullptr;
  }

  // Polls until it holds; each time the version in force must not have gone back.
  ::testing::AssertionResult Eventually(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      const v1::PlacementVersion version = fleet_->Figures().version;
      if (CompareVersions(version, newest_) < 0) {
        return ::testing::AssertionFailure() << version.DebugString() << " after " << newest_.DebugString();
      }
      newest_ = version;
      if (condition()) return ::testing::AssertionSuccess();
      absl::SleepFor(absl::Milliseconds(20));
    }
    const FleetFigures figures = fleet_->Figures();
    return ::testing::AssertionFailure() << "step time " << figures.step_time << ", contiguous "
                                         << figures.contiguous_step_time << ", last error " << figures.last_error
                                         << "\n"
                                         << Get().DebugString().substr(0, 4000);
  }
  v1::GetPlacementResponse Get() {
    v1::GetPlacementRequest request;
    request.set_deployment(deployment_);
    return client_->GetPlacement(request).value_or(v1::GetPlacementResponse());
  }
  v1::WorkerStatus Worker(const std::string& id) {
    const v1::GetPlacementResponse response = Get();
    for (const v1::WorkerStatus& worker : response.workers()) {
      if (worker.worker_id() == id) return worker;
    }
    return {};
  }
  // At most half of the imbalance that there would be without the service.
  bool IsBalanced() {
    const FleetFigures figures = fleet_->Figures();
    return figures.switches > 0 && figures.step_time - 1 < 0.5 * (figures.contiguous_step_time - 1);
  }
  bool AllHaveApplied() {
    const v1::GetPlacementResponse response = Get();
    for (const v1::WorkerStatus& worker : response.workers()) {
      if (CompareVersions(worker.applied(), response.placement().version()) != 0) return false;
    }
    return response.workers_size() == kWorkers && response.placement().version().revision() > 0;
  }
  bool AllAreBack() {
    const v1::GetPlacementResponse response = Get();
    return response.deployment().live_workers() == kWorkers && response.deployment().missing_ranks() == 0;
  }
  void ExpectNoFinalError() {
    EXPECT_THAT(fleet_->Figures().last_error, Not(AnyOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("INVALID_ARGUMENT"),
                                                        HasSubstr("PERMISSION_DENIED"), HasSubstr("INTERNAL"))));
  }
  ProgramResult Eplbctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), EPLB_EPLBCTL);
    arguments.insert(arguments.end(), {"--server", server_->address()});
    return RunProgram(arguments);
  }

  EventLoop loop_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<v1::EplbService::Stub> stub_;
  std::unique_ptr<SimulatedFleet> fleet_;
  std::string deployment_;
  v1::PlacementVersion newest_;

 private:
  absl::StatusOr<std::shared_ptr<grpc::Channel>> NewTestChannel() { return NewChannel({.target = server_->address()}); }
};

TEST_F(LiveEndToEndTest, AKilledServerComesBackWithEverythingItsWorkersKnow) {
  StartServer();
  StartFleet(SmallFleet("test/killed"));
  ASSERT_TRUE(Eventually([&] { return fleet_->Figures().switches > 0; }));

  server_->Kill();  // in mid-plan, as likely as not
  const v1::PlacementVersion before = fleet_->Figures().version;
  server_ = std::make_unique<Server>(std::vector<std::string>{}, server_->address());
  ASSERT_TRUE(Eventually([&] { return AllAreBack(); }));
  EXPECT_GE(CompareVersions(Get().placement().version(), before), 0);
  ASSERT_TRUE(Eventually([&] { return IsBalanced(); }));

  ASSERT_EQ(Eplbctl({"pause", deployment_, "--comment", "held for the test"}).exit_code, 0);
  ASSERT_TRUE(Eventually([&] { return AllHaveApplied(); }));
  const v1::Placement held = Get().placement();
  server_->Kill();
  server_ = std::make_unique<Server>(std::vector<std::string>{}, server_->address());
  ASSERT_TRUE(Eventually([&] { return AllAreBack(); }));
  const v1::GetPlacementResponse back = Get();
  EXPECT_EQ(CompareVersions(back.placement().version(), held.version()), 0);
  ASSERT_EQ(back.placement().layers_size(), held.layers_size());
  for (int layer = 0; layer < held.layers_size(); ++layer) {
    EXPECT_THAT(back.placement().layers(layer).physical_to_logical(),
                ::testing::ElementsAreArray(held.layers(layer).physical_to_logical()));
  }
  EXPECT_EQ(back.deployment().control().mode(), v1::DEPLOYMENT_MODE_PAUSED);
  EXPECT_EQ(back.deployment().control().comment(), "held for the test");
  ExpectNoFinalError();
}

TEST_F(LiveEndToEndTest, WhereEveryRankWatchesAllSwitchTogether) {
  StartServer();
  FleetOptions options = SmallFleet("test/all-ranks");
  options.all_ranks = true;
  StartFleet(options);
  ASSERT_TRUE(Eventually([&] { return IsBalanced(); }));
  ASSERT_EQ(Eplbctl({"pause", deployment_}).exit_code, 0);
  ASSERT_TRUE(Eventually([&] { return AllHaveApplied(); }));
  ExpectNoFinalError();
}

TEST_F(LiveEndToEndTest, ARejectedPlacementLeavesTheFormerInForce) {
  for (const bool all_ranks : {false, true}) {
    SCOPED_TRACE(all_ranks);
    StartServer();
    FleetOptions options = SmallFleet("test/rejected");
    options.all_ranks = all_ranks;
    options.faults.rejecting_worker = 0;
    newest_.Clear();
    StartFleet(options);
    ASSERT_TRUE(Eventually([&] { return Worker("worker-0").state() == v1::PLACEMENT_STATE_REJECTED; }));
    const v1::WorkerStatus worker = Worker("worker-0");
    EXPECT_EQ(fleet_->Figures().switches, 0);
    EXPECT_TRUE(IsUnset(worker.applied()));
    EXPECT_FALSE(worker.error_detail().empty());
    TearDown();
  }
}

TEST_F(LiveEndToEndTest, ADeadWorkersRanksArePlannedAround) {
  StartServer({"--telemetry.exclude_grace=1s"});
  FleetOptions options = SmallFleet("test/dead");
  options.topology.num_slots = 48;  // without a quarter of them there is still room for the 32 experts
  options.faults.dead_worker = 1;
  options.faults.dead_at = 0.5;
  StartFleet(options);
  ASSERT_TRUE(Eventually([&] { return Worker("worker-1").liveness() == v1::WORKER_LIVENESS_EXCLUDED; }));
  // Its GPUs are 2 and 3, which have slots 12 to 23: whatever they held is elsewhere.
  const auto lives_elsewhere = [](const v1::LayerPlacement& layer) {
    std::set<std::int32_t> experts;
    for (int slot = 0; slot < layer.physical_to_logical_size(); ++slot) {
      if (slot < 12 || slot >= 24) experts.insert(layer.physical_to_logical(slot));
    }
    experts.erase(-1);
    return experts.size() == 32;
  };
  ASSERT_TRUE(Eventually([&] {
    const v1::Placement placement = Get().placement();
    return placement.layers_size() == 4 &&
           std::all_of(placement.layers().begin(), placement.layers().end(), lives_elsewhere);
  }));
  EXPECT_EQ(Get().deployment().missing_ranks(), 2);
}

TEST_F(LiveEndToEndTest, OperatorsSeeAndControlItFromTheCommandLine) {
  StartServer();
  StartFleet(SmallFleet("test/operated"));
  ASSERT_TRUE(Eventually([&] { return fleet_->Figures().switches > 0 && AllAreBack(); }));

  const ProgramResult list = Eplbctl({"list", "--format", "json"});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  const Json deployments = Json::parse(list.out)["deployments"];
  ASSERT_EQ(deployments.size(), 1U);
  EXPECT_EQ(deployments[0]["deployment"], "test/operated");
  EXPECT_EQ(deployments[0]["live_workers"], kWorkers);
  EXPECT_THAT(Eplbctl({"list", "--prefix", "other"}).out, Not(HasSubstr("test/operated")));
  EXPECT_THAT(Eplbctl({"top", "--iterations", "2", "--interval", "0.1"}).out, HasSubstr("test/operated"));

  const ProgramResult watch = Eplbctl({"watch", deployment_, "--count", "1"});
  EXPECT_EQ(watch.exit_code, 0) << watch.err;
  EXPECT_THAT(watch.out, HasSubstr(" placement "));
  EXPECT_THAT(watch.out, HasSubstr(" full, 4 layers"));

  const Json event = Json::parse(Eplbctl({"watch", deployment_, "--count", "1", "--format", "json"}).out);
  EXPECT_EQ(event["event"], "placement");
  EXPECT_EQ(event["layers"].size(), 4U);
  EXPECT_EQ(event["layers"][0]["physical_to_logical"].size(), 40U);

  EXPECT_THAT(Eplbctl({"pause", deployment_, "--comment", "why"}).out, HasSubstr("test/operated: paused (why)"));
  EXPECT_EQ(Get().deployment().control().mode(), v1::DEPLOYMENT_MODE_PAUSED);
  EXPECT_THAT(Eplbctl({"drain", deployment_, "--gpus", "3"}).out, HasSubstr("draining GPUs 3"));
  const ProgramResult too_many = Eplbctl({"drain", deployment_, "--gpus", "7"});
  EXPECT_EQ(too_many.exit_code, 1);
  EXPECT_THAT(too_many.err, HasSubstr("usable slots 30 < experts 32: 2 experts cannot be placed"));
  EXPECT_THAT(Eplbctl({"restore", deployment_, "--gpus", "3"}).out, Not(HasSubstr("draining")));
  EXPECT_THAT(Eplbctl({"drain", deployment_, "--gpus", "5", "--exclude", "--dry-run"}).out, HasSubstr("dry run"));
  EXPECT_TRUE(Get().deployment().control().excluded_gpus().empty());
  ASSERT_TRUE(Eventually([&] { return AllHaveApplied(); }));

  const v1::PlacementVersion held = Get().placement().version();
  EXPECT_THAT(Eplbctl({"replan", deployment_}).out, HasSubstr("test/operated: unchanged: "));
  const ProgramResult tried = Eplbctl({"replan", deployment_, "--force", "--dry-run", "--format", "json"});
  ASSERT_EQ(tried.exit_code, 0) << tried.err;
  EXPECT_TRUE(Json::parse(tried.out)["version"].is_null()) << tried.out;
  EXPECT_GE(Json::parse(tried.out)["step_time_after"], 1) << tried.out;
  EXPECT_EQ(CompareVersions(Get().placement().version(), held), 0) << "a pause and a dry run publish nothing";
  // Traffic drifts, so that sooner or later there is something to gain.
  ASSERT_TRUE(Eventually([&] {
    return Eplbctl({"replan", deployment_, "--force"}).out.find("published ") != std::string::npos;
  }));
  EXPECT_GT(CompareVersions(Get().placement().version(), held), 0);
  ASSERT_TRUE(Eventually([&] { return AllHaveApplied(); }));

  const TemporaryDirectory directory;
  const std::string path = directory.Path("now.json");
  const ProgramResult get = Eplbctl({"get", deployment_, "--output", path});
  ASSERT_EQ(get.exit_code, 0) << get.err;
  EXPECT_THAT(get.out, HasSubstr("worker-3"));
  EXPECT_EQ(Json::parse(ReadFile(path))["physical_to_logical"].size(), 4U);
  const std::string loads = directory.Path("loads.csv");
  ASSERT_EQ(RunProgram(
                {EPLB_EPLBCTL, "generate", "--layers", "4", "--experts", "32", "--first-layer", "3", "--output", loads})
                .exit_code,
            0);
  EXPECT_EQ(RunProgram({EPLB_EPLBCTL, "rebalance", "--local", "--loads", loads, "--slots", "40", "--gpus", "8",
                        "--current", path})
                .exit_code,
            0);

  EXPECT_THAT(Eplbctl({"resume", deployment_}).out, HasSubstr("test/operated: automatic"));
  EXPECT_EQ(Eplbctl({"get", "test/unknown"}).exit_code, 2);
  EXPECT_EQ(Eplbctl({"watch", "test/unknown"}).exit_code, 2);
  EXPECT_EQ(Eplbctl({"replan", "test/unknown"}).exit_code, 2);
  EXPECT_EQ(Eplbctl({"drain", deployment_, "--gpus", "99"}).exit_code, 2);
  server_->Kill();
  EXPECT_EQ(Eplbctl({"list", "--attempts", "1"}).exit_code, 3);
  EXPECT_EQ(Eplbctl({"watch", deployment_, "--attempts", "1"}).exit_code, 3);
}

}  // namespace
}  // namespace eplb::testing
