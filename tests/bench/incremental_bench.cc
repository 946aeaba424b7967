// Time and outcome of incremental plans, one thread: from a plan for one set of loads to another set that has drifted
// from it, at several budgets. Counters: balancedness before and after, and fetches for each layer.

#include <string>

#include "benchmark/benchmark.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/balancer.h"
#include "server/balancer/incremental/incremental_planner.h"
#include "tests/bench/shapes.h"

namespace eplb::bench {
namespace {

void RunIncrement(benchmark::State& state, const Shape& shape, int per_layer, bool compete) {
  const Topology topology = TopologyOf(shape);
  const LoadSample old_sample{.loads = LognormalLoads(shape, 1)};
  const Placement current =
      PlanRebalance({.topology = &topology, .samples = {&old_sample, 1}}, {.policy = Policy::kGlobal}, SerialFor())
          .value()
          .placement;
  const LoadSample sample{.loads = DriftedLoads(old_sample.loads, 2, 0.15)};
  const IncrementalProblem problem{.topology = &topology, .samples = {&sample, 1}, .current = &current};
  IncrementalOptions options;
  if (compete) {
    options.max_fetches = static_cast<std::int64_t>(per_layer) * shape.layers;
  } else {
    options.max_fetches_per_layer = per_layer;
  }
  int fetches = 0;
  double after = 0;
  for (auto _ : state) {
    const IncrementalPlan plan = PlanIncrement(problem, options, SerialFor()).value();
    state.PauseTiming();
    after = StepTime(MeasureBalance(plan.placement, sample.loads, topology));
    fetches = 0;
    for (const IncrementalLayer& layer : plan.layers) fetches += layer.fetches;
    state.ResumeTiming();
  }
  state.counters["step_time_before"] = StepTime(MeasureBalance(current, sample.loads, topology));
  state.counters["step_time_after"] = after;
  state.counters["fetches_per_layer"] = static_cast<double>(fetches) / shape.layers;
}

const int registered = [] {
  for (const Shape& shape : Shapes()) {
    for (const int per_layer : {1, 3, 8}) {
      benchmark::RegisterBenchmark(("each_layer/" + std::to_string(per_layer) + "/" + shape.name).c_str(), RunIncrement,
                                   shape, per_layer, false)
          ->Unit(benchmark::kMillisecond);
    }
    benchmark::RegisterBenchmark(("layers_compete/3/" + shape.name).c_str(), RunIncrement, shape, 3, true)
        ->Unit(benchmark::kMillisecond);
  }
  return 0;
}();

}  // namespace
}  // namespace eplb::bench
