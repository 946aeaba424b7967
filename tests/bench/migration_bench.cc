// Time of what follows a search, one thread, all layers of a shape: relabelling a full re-plan, its ordered transfers,
// the transfers of an incremental plan, the best traffic shares and their whole numbers. The plans are the published
// algorithm's, before and after loads drift by a lognormal factor (sigma 0.3).

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/migration/fetch_reduction.h"
#include "server/balancer/migration/gpu_relabelling.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/balancer/shares/entry_counts.h"
#include "server/balancer/shares/share_optimizer.h"
#include "server/base/index.h"
#include "tests/bench/shapes.h"

namespace eplb::bench {
namespace {

Placement Plan(const Shape& shape, const Topology& topology, const LoadMatrix& loads) {
  ReferencePolicy policy(GlobalShape(shape.experts, topology));
  std::vector<std::int32_t> slots;
  for (int layer = 0; layer < shape.layers; ++layer) {
    policy.Run(loads.layer(layer));
    slots.insert(slots.end(), policy.physical_to_logical().begin(), policy.physical_to_logical().end());
  }
  return Placement::Create(shape.layers, shape.experts, shape.slots, std::move(slots)).value();
}

LoadMatrix Drift(const LoadMatrix& loads, double sigma) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal;
  std::vector<double> values(loads.values().begin(), loads.values().end());
  for (double& value : values) value *= std::exp(sigma * normal(random));
  return LoadMatrix::Create(loads.num_layers(), loads.num_experts(), std::move(values)).value();
}

// A shape with a placement in force, drifted loads, and a new plan for them.
struct Scene {
  explicit Scene(const Shape& shape)
      : topology(TopologyOf(shape)),
        before(LognormalLoads(shape, 1)),
        loads(Drift(before, 0.3)),
        current(Plan(shape, topology, before)),
        planned(Plan(shape, topology, loads)) {}

  Topology topology;
  LoadMatrix before;
  LoadMatrix loads;
  Placement current;
  Placement planned;
};

double FetchPercent(const Scene& scene, const Placement& to) {
  double fetches = 0;
  for (int layer = 0; layer < to.num_layers(); ++layer) {
    fetches += CountFetches(scene.current.layer(layer), to.layer(layer), scene.topology);
  }
  return 100 * fetches / static_cast<double>(to.physical_to_logical().size());
}

void Relabel(benchmark::State& state, const Shape& shape) {
  const Scene scene(shape);
  double fetch_percent = 0;
  for (auto _ : state) {
    const Placement relabelled =
        RelabelToCurrent(scene.current, scene.planned, scene.topology, RelabelScope::kAnyGpu, SerialFor());
    state.PauseTiming();
    fetch_percent = FetchPercent(scene, relabelled);
    state.ResumeTiming();
  }
  state.counters["fetch_percent_before"] = FetchPercent(scene, scene.planned);
  state.counters["fetch_percent"] = fetch_percent;
}

// After relabelling: exchanges of equal load.
void ReduceFetches(benchmark::State& state, const Shape& shape) {
  const Scene scene(shape);
  const Placement relabelled =
      RelabelToCurrent(scene.current, scene.planned, scene.topology, RelabelScope::kAnyGpu, SerialFor());
  FetchReduction reduction(scene.topology, shape.experts, RelabelScope::kAnyGpu);
  std::vector<std::int32_t> slots;
  for (auto _ : state) {
    slots.assign(relabelled.physical_to_logical().begin(), relabelled.physical_to_logical().end());
    for (int layer = 0; layer < shape.layers; ++layer) {
      const std::span<const double> loads = scene.loads.layer(layer);
      reduction.Run(scene.current.layer(layer), {&loads, 1},
                    std::span(slots).subspan(Index(layer * shape.slots), Index(shape.slots)));
    }
  }
  state.counters["fetch_percent"] =
      FetchPercent(scene, Placement::Create(shape.layers, shape.experts, shape.slots, slots).value());
}

void Transfers(benchmark::State& state, const Shape& shape) {
  const Scene scene(shape);
  const Placement relabelled =
      RelabelToCurrent(scene.current, scene.planned, scene.topology, RelabelScope::kAnyGpu, SerialFor());
  std::vector<Transfer> transfers;
  for (auto _ : state) transfers = PlanTransfers(scene.current, relabelled, scene.topology, {}).value();
  state.counters["transfers"] = static_cast<double>(transfers.size());
  state.counters["steps"] = transfers.empty() ? 0 : transfers.back().step + 1;
}

// Three moves in every layer: swaps of slots of different GPUs.
void IncrementalTransfers(benchmark::State& state, const Shape& shape) {
  const Scene scene(shape);
  std::mt19937_64 random(3);
  std::vector<std::int32_t> slots(scene.current.physical_to_logical().begin(),
                                  scene.current.physical_to_logical().end());
  for (int layer = 0; layer < shape.layers; ++layer) {
    const auto slot = [&] { return Index(layer * shape.slots) + random() % Index(shape.slots); };
    for (int move = 0; move < 3; ++move) std::swap(slots[slot()], slots[slot()]);
  }
  const Placement to = Placement::Create(shape.layers, shape.experts, shape.slots, std::move(slots)).value();
  for (auto _ : state) benchmark::DoNotOptimize(PlanTransfers(scene.current, to, scene.topology, {}));
}

void Shares(benchmark::State& state, const Shape& shape) {
  const Scene scene(shape);
  ShareOptimizer optimizer(scene.topology, shape.experts);
  BalanceMeter meter(scene.topology);
  double even = 0;
  double optimal = 0;
  for (auto _ : state) {
    optimal = 0;
    for (int layer = 0; layer < shape.layers; ++layer) {
      optimizer.Run(scene.current.layer(layer), scene.before.layer(layer));
      optimal += optimizer.balancedness() / shape.layers;
    }
  }
  for (int layer = 0; layer < shape.layers; ++layer) {
    even += meter.Measure(scene.current.layer(layer), scene.before.layer(layer)).balancedness() / shape.layers;
  }
  state.counters["even"] = even;
  state.counters["optimal"] = optimal;
}

void ShareLoad(benchmark::State& state, const Shape& shape) {
  const Scene scene(shape);
  ShareOptimizer optimizer(scene.topology, shape.experts);
  for (auto _ : state) {
    for (int layer = 0; layer < shape.layers; ++layer) {
      benchmark::DoNotOptimize(optimizer.OptimalShareLoad(scene.current.layer(layer), scene.before.layer(layer)));
    }
  }
}

void Entries(benchmark::State& state, const Shape& shape, int extra_entries) {
  const Scene scene(shape);
  ShareOptimizer optimizer(scene.topology, shape.experts);
  EntryCounts counts(scene.topology, shape.experts);
  double balancedness = 0;
  for (auto _ : state) {
    balancedness = 0;
    for (int layer = 0; layer < shape.layers; ++layer) {
      const std::span<const std::int32_t> slots = scene.current.layer(layer);
      const std::vector<std::int32_t> replicas = CountReplicas(slots, shape.experts);
      optimizer.Run(slots, scene.before.layer(layer));
      counts.Run(slots, scene.before.layer(layer), optimizer.share(),
                 *std::max_element(replicas.begin(), replicas.end()) + extra_entries);
      balancedness += optimizer.balancedness() * optimizer.max_load() / counts.max_load() / shape.layers;
    }
  }
  state.counters["balancedness"] = balancedness;
}

const int registered = [] {
  for (const Shape& shape : Shapes()) {
    const auto add = [&](const char* name, auto run, auto... args) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + shape.name).c_str(), run, shape, args...)
          ->Unit(benchmark::kMillisecond);
    };
    add("relabel", Relabel);
    add("reduce_fetches", ReduceFetches);
    add("transfers", Transfers);
    add("incremental_transfers", IncrementalTransfers);
    add("shares", Shares);
    add("share_load", ShareLoad);
    add("entries_plus_4", Entries, 4);
  }
  return 0;
}();

}  // namespace
}  // namespace eplb::bench
