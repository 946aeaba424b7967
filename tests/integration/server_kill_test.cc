// Real server processes that die, or are told to stop, in the middle of whatever they are doing, and workers of the
// client library that check every word they are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "client/client.h"
#include "client/live/event_loop.h"
#include "tests/support/checked_engine.h"
#include "tests/support/reconnect_storm.h"
#include "tests/support/server_process.h"

namespace eplb::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kWorkers = 4;
constexpr int kLayers = 3;
constexpr int kExperts = 16;
constexpr int kSlotsPerWorker = 5;
constexpr int kStormWorkers = 200;

// A server that asks for ten reports a second, on any free port or on the given one.
std::unique_ptr<ServerProcess> StartServer(std::string& address, const std::vector<std::string>& flags = {}) {
  std::vector<std::string> arguments = {EPLB_SERVER,
                                        "--grpc.listen_address=" + (address.empty() ? "127.0.0.1:0" : address),
                                        "--health.listen_address=",
                                        "--metrics.listen_address=",
                                        "--drain.delay=0s",
                                        "--telemetry.report_interval=0.1s",
                                        "--planner.hysteresis_ratio=0",
                                        "--planner.horizon=3600s",
                                        "--planner.rejection_backoff=0.1s"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  auto server = std::make_unique<ServerProcess>(arguments);
  address = LogValue(server->WaitForLine("event=server_ready"), "grpc");
  EXPECT_FALSE(address.empty()) << server->log();
  return server;
}

// One deployment of checked workers, each of one rank.
class CheckedFleet {
 public:
  CheckedFleet(std::string deployment, bool all_ranks, v1::EplbService::Stub& stub, EventLoop& loop)
      : deployment_(std::move(deployment)) {
    Layout initial(kLayers);
    for (std::vector<std::int32_t>& slots : initial) {
      for (int slot = 0; slot < kWorkers * kSlotsPerWorker; ++slot) slots.push_back(slot % kExperts);
    }
    for (int rank = 0; rank < kWorkers; ++rank) {
      const std::string name = absl::StrCat(deployment_, "/w", rank);
      engines_.push_back(
          std::make_unique<CheckedEngine>(name, initial, kExperts, rank * kSlotsPerWorker, kSlotsPerWorker, log_));
      workers_.push_back(
          std::make_unique<FleetWorker>(Options(rank, all_ranks, initial), stub, loop, *engines_.back()));
    }
    if (!all_ranks) HandOn();
    for (const auto& worker : workers_) worker->Start();
  }
  ~CheckedFleet() {
    for (const auto& worker : workers_) worker->Stop(/*departing=*/false);
  }

  const std::string& deployment() const { return deployment_; }
  const ConsistencyLog& log() const { return log_; }
  std::vector<ConsistencyLog::Version> Applied() const {
    std::vector<ConsistencyLog::Version> versions;
    for (const auto& worker : workers_) {
      const v1::PlacementVersion version = worker->Stats().applied;
      versions.emplace_back(version.epoch(), version.revision());
    }
    return versions;
  }
  std::vector<v1::LayerPlacement> Layers() const { return workers_[0]->Layers(); }
  std::uint64_t Connects() const {
    std::uint64_t connects = 0;
    for (const auto& worker : workers_) connects += worker->Stats().connects;
    return connects;
  }

 private:
  FleetWorkerOptions Options(int rank, bool all_ranks, const Layout& initial) const {
    FleetWorkerOptions options;
    options.spec.set_deployment(deployment_);
    options.spec.mutable_topology()->set_num_gpus(kWorkers);
    options.spec.mutable_topology()->set_num_slots(kWorkers * kSlotsPerWorker);
    options.spec.set_num_experts(kExperts);
    options.spec.set_coordination_mode(all_ranks ? v1::COORDINATION_MODE_ALL_RANKS
                                                 : v1::COORDINATION_MODE_ONE_SUBSCRIBER);
    for (int layer = 0; layer < kLayers; ++layer) options.spec.add_model_layers(layer);
    options.worker_id = absl::StrCat("w", rank);
    options.incarnation = "i0";
    options.first_rank = rank;
    options.num_ranks = 1;
    options.initial = LayersOf(initial);
    options.watch = all_ranks || rank == 0;
    options.first_backoff = absl::Milliseconds(20);
    options.max_backoff = absl::Milliseconds(200);
    options.jitter_seed = static_cast<std::uint64_t>(rank);
    return options;
  }

  // The one subscriber hands what it has put in force on to the others, as engines broadcast within their group.
  void HandOn() {
    engines_[0]->on_activated = [this](const PlacementChange& change, const Layout& layout) {
      for (int rank = 1; rank < kWorkers; ++rank) {
        engines_[static_cast<std::size_t>(rank)]->Adopt(change, layout);
        workers_[static_cast<std::size_t>(rank)]->Adopt(change.version, LayersOf(layout));
      }
    };
  }

  const std::string deployment_;
  ConsistencyLog log_;
  std::vector<std::unique_ptr<CheckedEngine>> engines_;
  std::vector<std::unique_ptr<FleetWorker>> workers_;
};

// Returns once it holds; ctest's limit is what ends it otherwise.
void WaitFor(const std::function<bool()>& condition) {
  while (!condition()) absl::SleepFor(absl::Milliseconds(2));
}

class ServerKillTest : public ::testing::Test {
 protected:
  void Start(const std::vector<std::string>& flags = {}) {
    server_ = StartServer(address_, flags);
    stub_ = v1::EplbService::NewStub(*NewChannel({.target = address_}));
    client_ = *Client::Create({.target = address_});
    fleets_.push_back(std::make_unique<CheckedFleet>("kill/one", false, *stub_, loop_));
    fleets_.push_back(std::make_unique<CheckedFleet>("kill/all", true, *stub_, loop_));
  }
  void TearDown() override { fleets_.clear(); }

  void Kill() {
    server_->Signal(SIGKILL);
    server_->WaitForEnd();
  }
  v1::GetPlacementResponse Get(const std::string& deployment) {
    v1::GetPlacementRequest request;
    request.set_deployment(deployment);
    return client_->GetPlacement(request).value_or(v1::GetPlacementResponse());
  }
  bool AllAreBack() {
    for (const auto& fleet : fleets_) {
      const v1::GetPlacementResponse response = Get(fleet->deployment());
      if (response.deployment().live_workers() != kWorkers || response.deployment().missing_ranks() != 0) return false;
    }
    return true;
  }
  void WaitForProgress() {
    for (const auto& fleet : fleets_) {
      const ConsistencyLog::Version before = fleet->log().newest();
      WaitFor([&] { return fleet->log().newest() > before; });
    }
  }
  // Nobody switches any more, and all have the same in force.
  void Pause() {
    for (const auto& fleet : fleets_) {
      v1::UpdateDeploymentRequest request;
      request.set_deployment(fleet->deployment());
      request.set_mode(v1::DEPLOYMENT_MODE_PAUSED);
      ASSERT_TRUE(client_->UpdateDeployment(request).ok());
    }
    for (const auto& fleet : fleets_) {
      WaitFor([&] {
        const v1::GetPlacementResponse response = Get(fleet->deployment());
        const v1::PlacementVersion& version = response.placement().version();
        const ConsistencyLog::Version newest(version.epoch(), version.revision());
        return ::testing::Matches(Each(newest))(fleet->Applied());
      });
    }
  }
  void ExpectNoViolations() {
    for (const auto& fleet : fleets_) EXPECT_THAT(fleet->log().violations(), IsEmpty()) << fleet->deployment();
  }

  std::string address_;
  EventLoop loop_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<v1::EplbService::Stub> stub_;
  std::unique_ptr<Client> client_;
  std::vector<std::unique_ptr<CheckedFleet>> fleets_;
};

TEST_F(ServerKillTest, KilledAtAnyPointItLeadsNobodyAstray) {
  Start();
  WaitForProgress();
  std::mt19937_64 random(7);
  constexpr int kKills = 12;
  for (int kill = 0; kill < kKills; ++kill) {
    // The dice choose how many more things the workers are told or do before the server dies.
    const CheckedFleet& fleet = *fleets_[random() % 2];
    const int last = fleet.log().events() + static_cast<int>(random() % 40);
    WaitFor([&] { return fleet.log().events() >= last; });
    Kill();
    const std::vector<ConsistencyLog::Version> before = {fleets_[0]->log().newest(), fleets_[1]->log().newest()};
    server_ = StartServer(address_);
    WaitFor([&] { return AllAreBack(); });
    for (std::size_t i = 0; i < fleets_.size(); ++i) {
      const v1::PlacementVersion version = Get(fleets_[i]->deployment()).placement().version();
      EXPECT_GE(std::pair(version.epoch(), version.revision()), before[i]) << "kill " << kill;
    }
    ExpectNoViolations();
  }
  WaitForProgress();
  Pause();
  ExpectNoViolations();
}

// Two hundred workers lose their server at once, and find the next one. For two thousand, and how long they take:
// fleet_bench storm.
TEST(ReconnectStormTest, AllComeBackToTheNextServer) {
  std::string address;
  std::unique_ptr<ServerProcess> server = StartServer(address, {"--telemetry.report_interval=1s"});
  ReconnectStorm storm({.workers = kStormWorkers}, address);
  storm.WaitUntilAllAreBack();
  for (int round = 0; round < 2; ++round) {
    server->Signal(SIGKILL);
    server->WaitForEnd();
    server = StartServer(address, {"--telemetry.report_interval=1s"});
    storm.WaitUntilAllAreBack();
    EXPECT_GE(storm.Connects(), static_cast<std::uint64_t>(kStormWorkers) * static_cast<std::uint64_t>(round + 2));
  }
}

// The next server asks for one report an hour: what it knows, it knows from the hellos, long before a report interval
// is over, let alone two.
TEST_F(ServerKillTest, HellosAloneBringBackDeploymentsVersionsAndPlacements) {
  Start();
  WaitForProgress();
  Pause();
  Kill();
  server_ = StartServer(address_, {"--telemetry.report_interval=3600s", "--telemetry.max_report_interval=3600s"});
  WaitFor([&] { return AllAreBack(); });
  for (const auto& fleet : fleets_) {
    const v1::GetPlacementResponse response = Get(fleet->deployment());
    const v1::PlacementVersion& version = response.placement().version();
    EXPECT_THAT(fleet->Applied(), Each(std::pair(version.epoch(), version.revision())));
    EXPECT_EQ(response.deployment().control().mode(), v1::DEPLOYMENT_MODE_PAUSED);
    const std::vector<v1::LayerPlacement> held = fleet->Layers();
    ASSERT_EQ(response.placement().layers_size(), kLayers);
    for (int layer = 0; layer < kLayers; ++layer) {
      EXPECT_THAT(response.placement().layers(layer).physical_to_logical(),
                  ::testing::ElementsAreArray(held[static_cast<std::size_t>(layer)].physical_to_logical()));
    }
  }
  ExpectNoViolations();
}

// At the default interval, and with no answer to wait for but the hellos': each report is an interval, so that whoever
// is back before its third was away for two at most.
TEST_F(ServerKillTest, AKilledServersFleetsAreBackWithinTwoReportIntervals) {
  Start();
  WaitForProgress();
  Kill();
  const std::vector<ConsistencyLog::Version> before = {fleets_[0]->log().newest(), fleets_[1]->log().newest()};
  server_ = StartServer(address_, {"--telemetry.report_interval=5s", "--planner.automatic=false"});
  WaitFor([&] { return AllAreBack(); });
  for (std::size_t i = 0; i < fleets_.size(); ++i) {
    const v1::GetPlacementResponse response = Get(fleets_[i]->deployment());
    for (const v1::WorkerStatus& worker : response.workers()) EXPECT_LE(worker.reports(), 2U) << worker.worker_id();
    const v1::PlacementVersion& version = response.placement().version();
    EXPECT_GE(std::pair(version.epoch(), version.revision()), before[i]);
    EXPECT_EQ(response.placement().layers_size(), kLayers);
  }
  // Whatever the moment of the kill: ranks that missed a commit have caught up, and nothing is planned meanwhile.
  for (const auto& fleet : fleets_) {
    WaitFor([&] {
      const std::vector<ConsistencyLog::Version> applied = fleet->Applied();
      return ::testing::Matches(Each(applied[0]))(applied);
    });
  }
  ExpectNoViolations();
}

TEST_F(ServerKillTest, WorkersStayWithAServerThatDrainsForAWhile) {
  Start({"--drain.delay=600s"});
  WaitForProgress();
  const auto connects = [&] { return fleets_[0]->Connects() + fleets_[1]->Connects(); };
  const std::uint64_t before = connects();
  server_->Signal(SIGTERM);
  server_->WaitForLine("event=draining");
  // Whoever leaves comes back over the same connection, at once, again and again; whoever stays goes on reporting.
  for (const auto& fleet : fleets_) {
    const std::uint64_t reports = Get(fleet->deployment()).workers(0).reports();
    WaitFor([&] { return Get(fleet->deployment()).workers(0).reports() >= reports + 10; });
  }
  EXPECT_EQ(connects(), before);
  Kill();
  server_ = StartServer(address_);
  WaitFor([&] { return AllAreBack(); });
  ExpectNoViolations();
}

TEST_F(ServerKillTest, StoppedUnderLoadItTellsEveryoneAndLeavesNothingHalfPublished) {
  Start();
  for (int round = 0; round < 3; ++round) {
    WaitForProgress();
    server_->Signal(SIGTERM);
    EXPECT_EQ(server_->WaitForEnd(), 0) << server_->log();
    EXPECT_THAT(server_->log(), HasSubstr("event=drained"));
    server_ = StartServer(address_);
    WaitFor([&] { return AllAreBack(); });
    Pause();
    for (const auto& fleet : fleets_) EXPECT_THAT(fleet->Applied(), Each(fleet->Applied()[0])) << fleet->deployment();
    ExpectNoViolations();
    for (const auto& fleet : fleets_) {
      v1::UpdateDeploymentRequest request;
      request.set_deployment(fleet->deployment());
      request.set_mode(v1::DEPLOYMENT_MODE_AUTOMATIC);
      ASSERT_TRUE(client_->UpdateDeployment(request).ok());
    }
  }
}

}  // namespace
}  // namespace eplb::testing
