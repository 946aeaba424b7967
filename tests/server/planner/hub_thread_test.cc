// Everything at once from many threads, for ThreadSanitizer: reports, hellos, watches, statuses, views and operators
// against a hub that runs on a pool of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "server/base/worker_pool.h"
#include "server/model/contiguous_placement.h"
#include "tests/support/hub_world.h"

namespace eplb {
namespace {

using ::eplb::testing::HubWorld;
using ::eplb::testing::InitialPlacement;
using ::eplb::testing::ModelWorker;
using ::eplb::testing::ScriptedPlanner;
using ::eplb::testing::SmallSpec;

HubOptions FastOptions() {
  HubOptions options;
  options.report_interval = absl::Milliseconds(2);
  options.max_report_interval = absl::Milliseconds(4);
  options.liveness.expire_after_intervals = 1000;
  options.bookmark_interval = absl::Milliseconds(5);
  return options;
}

// One worker's life: it reports, reads, applies, and now and then connects anew.
void Live(Hub& hub, ModelWorker& worker, const std::atomic<bool>& stop) {
  for (int i = 1; !stop; ++i) {
    if (!worker.connected() || i % 64 == 0) {
      if (!worker.Connect(hub).ok()) continue;
    }
    worker.AnswerDirectives().IgnoreError();
    worker.Report().status().IgnoreError();
    while (worker.ReadEvent()) {
    }
    worker.Work();
    std::this_thread::yield();
  }
  worker.Disconnect();
}

void RunFleet(CoordinationMode coordination) {
  ScriptedPlanner planner;
  WorkerPool pool(2, 16);
  const std::unique_ptr<Hub> hub = CreateHub(FastOptions(), RealClock(), planner, nullptr);
  hub->Start(pool);
  const DeploymentSpec spec = *DeploymentSpec::Create(SmallSpec("prod/r1", coordination));
  std::vector<std::unique_ptr<ModelWorker>> workers;
  for (int rank = 0; rank < 4; ++rank) {
    workers.push_back(std::make_unique<ModelWorker>(
        ModelWorker::Options{.spec = spec,
                             .worker_id = "worker-" + std::to_string(rank),
                             .first_rank = rank,
                             .watches = rank == 0 || coordination == CoordinationMode::kAllRanks},
        InitialPlacement(spec)));
  }
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (const auto& worker : workers) threads.emplace_back([&, w = worker.get()] { Live(*hub, *w, stop); });
  int views = 0;
  while (planner.plans() < 20) {  // ends when enough has happened, however long that takes
    const absl::StatusOr<DeploymentView> view = hub->GetPlacement("prod/r1");
    views += view.ok() ? 1 : 0;
    hub->ListDeployments({}).status().IgnoreError();
    const ControlChange change{.mode = DeploymentMode::kAutomatic, .comment = std::to_string(views)};
    hub->UpdateDeployment("prod/r1", change, false).status().IgnoreError();
    if (views % 50 == 1) hub->RebalanceNow({.deployment = "prod/r1", .force = true}).status().IgnoreError();
    std::this_thread::yield();
  }
  hub->Drain(absl::Seconds(1));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  hub->Stop();
  EXPECT_GT(views, 0);
  for (const auto& worker : workers) EXPECT_EQ(worker->violations(), std::vector<std::string>());
}

TEST(HubThreadTest, OneSubscriber) { RunFleet(CoordinationMode::kOneSubscriber); }

TEST(HubThreadTest, AllRanks) { RunFleet(CoordinationMode::kAllRanks); }

}  // namespace
}  // namespace eplb
