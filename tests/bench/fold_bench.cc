// The hot path of telemetry: folding reports, and closing sub-windows. The bar: 30,000 reports/s on one core for
// reports of 58 layers x 9 slots.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/parallel_for.h"
#include "server/model/contiguous_placement.h"
#include "server/planner/adaptive_tick_planner.h"
#include "server/planner/hub.h"
#include "server/telemetry/expert_fold.h"
#include "server/telemetry/worker_fold.h"

namespace eplb {
namespace {

constexpr int kLayers = 58;
constexpr int kExperts = 256;
constexpr int kSlotsPerGpu = 9;

DeploymentSpec Spec(int num_gpus) {
  DeploymentSpecOptions options;
  options.name = "bench";
  options.topology = {.num_gpus = num_gpus, .num_slots = kSlotsPerGpu * num_gpus};
  for (int layer = 0; layer < kLayers; ++layer) options.model_layers.push_back(3 + layer);
  options.num_experts = kExperts;
  return *DeploymentSpec::Create(options);
}

// A hub with one deployment of `num_gpus` workers, one for each rank.
struct Fleet {
  explicit Fleet(int num_gpus)
      : planner(serial), hub(CreateHub({}, RealClock(), planner, nullptr)), spec(Spec(num_gpus)) {
    const Placement placement = *ContiguousPlacement(kLayers, kExperts, spec.topology());
    for (int rank = 0; rank < num_gpus; ++rank) {
      WorkerHello hello{.spec = spec};
      hello.worker_id = "worker-" + std::to_string(rank);
      hello.incarnation = "1";
      hello.first_rank = rank;
      hello.num_ranks = 1;
      hello.current = placement;
      sessions.push_back(*hub->OpenWorker(hello, nullptr));
    }
  }
  ~Fleet() { sessions.clear(); }

  SerialFor serial;
  AdaptiveTickPlanner planner;
  std::unique_ptr<Hub> hub;
  DeploymentSpec spec;
  std::vector<std::unique_ptr<TelemetrySession>> sessions;
};

// Reports of 58 x 9 slots from `range` workers in turn, through the facade that the transport calls.
void FoldSlotReports(benchmark::State& state) {
  Fleet fleet(static_cast<int>(state.range(0)));
  const std::vector<std::uint64_t> tokens(static_cast<std::size_t>(kLayers * kSlotsPerGpu), 1234);
  LoadReportView report{.sequence = 0, .window = absl::Seconds(1)};
  report.slot_tokens = tokens;
  std::size_t next = 0;
  for (auto _ : state) {
    if (next == 0) ++report.sequence;
    benchmark::DoNotOptimize(fleet.sessions[next]->Report(report));
    next = next + 1 == fleet.sessions.size() ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(FoldSlotReports)->ArgName("workers")->Arg(32)->Arg(1024)->Arg(4096)->MinWarmUpTime(0.5);

// Reports of 58 x 256 experts, as of a rank 0 that reports for its group.
void FoldExpertReports(benchmark::State& state) {
  Fleet fleet(32);
  const std::vector<std::uint64_t> tokens(static_cast<std::size_t>(kLayers * kExperts), 1234);
  LoadReportView report{.sequence = 0, .window = absl::Seconds(1)};
  report.expert_tokens = tokens;
  for (auto _ : state) {
    ++report.sequence;
    benchmark::DoNotOptimize(fleet.sessions[0]->Report(report));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(FoldExpertReports);

// Merging what the workers told into a sub-window.
void CloseSubWindow(benchmark::State& state) {
  const int num_workers = static_cast<int>(state.range(0));
  const DeploymentSpec spec = Spec(num_workers);
  const Placement placement = *ContiguousPlacement(kLayers, kExperts, spec.topology());
  ExpertFold experts(static_cast<std::size_t>(kLayers * kExperts));
  std::vector<std::unique_ptr<WorkerFold>> folds;
  for (int rank = 0; rank < num_workers; ++rank) {
    folds.push_back(std::make_unique<WorkerFold>(
        FoldShape{.num_layers = kLayers, .num_experts = kExperts, .num_local_slots = kSlotsPerGpu}, experts, 0));
    folds.back()->SetSlotMap(std::make_shared<const SlotMap>(MakeSlotMap({}, placement, spec.topology(), rank, 1)));
  }
  const std::vector<std::uint64_t> tokens(static_cast<std::size_t>(kLayers * kSlotsPerGpu), 1234);
  LoadReportView report{.sequence = 0, .window = absl::Seconds(1)};
  report.slot_tokens = tokens;
  for (auto _ : state) {
    state.PauseTiming();
    ++report.sequence;
    for (const auto& fold : folds) benchmark::DoNotOptimize(fold->Fold(report, absl::ZeroDuration()));
    state.ResumeTiming();
    LoadSum sum;
    std::array<int, kNumPhases> expert_workers{};
    for (const auto& fold : folds) fold->Close(absl::Seconds(1), true, expert_workers, sum);
    experts.Close(absl::Seconds(1), expert_workers, sum);
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * num_workers);
}
BENCHMARK(CloseSubWindow)->ArgName("workers")->Arg(32)->Arg(1024)->Iterations(100)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace eplb
