#ifndef EPLB_TESTS_SUPPORT_HUB_WORLD_H_
#define EPLB_TESTS_SUPPORT_HUB_WORLD_H_

#include <memory>
#include <string>
#include <vector>

#include "server/model/contiguous_placement.h"
#include "server/planner/hub.h"
#include "tests/support/fake_clock.h"
#include "tests/support/model_worker.h"
#include "tests/support/scripted_planner.h"

namespace eplb::testing {

inline DeploymentSpecOptions SmallSpec(std::string name = "prod/r1",
                                       CoordinationMode coordination = CoordinationMode::kOneSubscriber) {
  DeploymentSpecOptions options;
  options.name = std::move(name);
  options.topology = {.num_gpus = 4, .num_slots = 12};
  options.model_layers = {3, 4};
  options.num_experts = 8;
  options.coordination = coordination;
  return options;
}

inline Placement InitialPlacement(const DeploymentSpec& spec) {
  return *ContiguousPlacement(spec.num_layers(), spec.num_experts(), spec.topology());
}

// A hub with its clock and planner, that can be killed and started anew, and the workers of one deployment, one for
// each of its four ranks.
class HubWorld {
 public:
  // The observer, if any, outlives it.
  explicit HubWorld(HubOptions options = {}, DeploymentSpecOptions spec_options = SmallSpec(),
                    HubObserver* observer = nullptr)
      : options_(std::move(options)), observer_(observer), spec(*DeploymentSpec::Create(std::move(spec_options))) {
    hub = CreateHub(options_, clock, planner, observer_);
    const bool all_ranks = spec.coordination() == CoordinationMode::kAllRanks;
    for (int rank = 0; rank < spec.topology().num_gpus(); ++rank) AddWorker(rank, all_ranks || rank == 0);
  }
  ~HubWorld() {
    for (const auto& worker : workers) worker->Disconnect();
  }

  void AddWorker(int rank, bool watches) {
    workers.push_back(std::make_unique<ModelWorker>(
        ModelWorker::Options{
            .spec = spec, .worker_id = "worker-" + std::to_string(rank), .first_rank = rank, .watches = watches},
        InitialPlacement(spec)));
  }

  void ConnectAll() {
    for (const auto& worker : workers) {
      const absl::Status status = worker->Connect(*hub);
      if (!status.ok()) problems.push_back(status.ToString());
    }
  }
  void ReportAll() {
    for (const auto& worker : workers) {
      if (!worker->connected()) continue;
      worker->AnswerDirectives().IgnoreError();
      worker->Report().status().IgnoreError();
    }
  }
  void ReadAll() {
    for (const auto& worker : workers) {
      while (worker->ReadEvent()) {
      }
    }
  }
  void WorkAll() {
    for (const auto& worker : workers) worker->Work();
  }
  // One report interval: everyone reports, time passes, the hub does what is due.
  void Interval() {
    ReportAll();
    clock.Advance(options_.report_interval);
    hub->RunDue();
  }
  // Until nothing is left to be read or done.
  void Deliver() {
    for (int i = 0; i < 8; ++i) {
      ReadAll();
      WorkAll();
    }
  }
  // kill -9, and another process.
  void KillHub() {
    for (const auto& worker : workers) worker->Disconnect();
    hub.reset();
    hub = CreateHub(options_, clock, planner, observer_);
  }
  DeploymentView View() { return *hub->GetPlacement(spec.name()); }
  std::vector<std::string> Violations() const {
    std::vector<std::string> all = problems;
    for (const auto& worker : workers) all.insert(all.end(), worker->violations().begin(), worker->violations().end());
    return all;
  }

  const HubOptions options_;
  HubObserver* const observer_;
  FakeClock clock;
  ScriptedPlanner planner;
  DeploymentSpec spec;
  std::unique_ptr<Hub> hub;
  std::vector<std::unique_ptr<ModelWorker>> workers;
  std::vector<std::string> problems;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_HUB_WORLD_H_
