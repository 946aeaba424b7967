// The optimizing policy, one thread, all layers of a shape: time, mean balancedness of it and of the greedy reference,
// the proven bound and the gap to it, over several seeds; and what each doubling of the work limit buys.

#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/balancer.h"
#include "server/balancer/lower_bound.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/balancer/search/layer_search.h"
#include "tests/bench/shapes.h"

namespace eplb::bench {
namespace {

constexpr int kSeeds = 3;

PlacementConstraints ConstraintsOf(const Shape& shape) { return {.honour_groups = shape.groups > 1}; }

// Means over layers and seeds.
struct Quality {
  double balancedness = 0;
  double reference = 0;
  double bound = 0;  // mean load / proven bound: no plan is more balanced
  double worse = 0;  // layers on which the reference is better
};

Quality Measure(const Shape& shape, std::int64_t work_limit) {
  const Topology topology = TopologyOf(shape);
  const PlacementConstraints constraints = ConstraintsOf(shape);
  ReferencePolicy reference(constraints.honour_groups ? HierarchicalShape(shape.experts, topology)
                                                      : GlobalShape(shape.experts, topology));
  LayerSearch search(
      {.topology = &topology, .constraints = &constraints, .num_experts = shape.experts, .work_limit = work_limit});
  BalanceMeter meter(topology);
  LowerBound bounds(topology, constraints, shape.experts);
  Quality sum;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const LoadMatrix loads = LognormalLoads(shape, static_cast<std::uint64_t>(seed));
    for (int layer = 0; layer < shape.layers; ++layer) {
      const SampleLoads sample{.loads = loads.layer(layer)};
      const LayerBalance plan = meter.Measure(search.Run({&sample, 1}, shape.slots), sample.loads);
      reference.Run(sample.loads);
      const LayerBalance greedy = meter.Measure(reference.physical_to_logical(), sample.loads);
      sum.balancedness += plan.balancedness();
      sum.reference += greedy.balancedness();
      sum.bound += plan.mean / bounds.Prove(sample.loads, shape.slots, plan.max);
      sum.worse += plan.max > greedy.max * (1 + 1e-9) ? 1 : 0;
    }
  }
  const double count = kSeeds * shape.layers;
  return {sum.balancedness / count, sum.reference / count, sum.bound / count, sum.worse};
}

void RunSearch(benchmark::State& state, const Shape& shape, std::int64_t work_limit) {
  const Topology topology = TopologyOf(shape);
  const PlacementConstraints constraints = ConstraintsOf(shape);
  const LoadMatrix loads = LognormalLoads(shape, 1);
  LayerSearch search(
      {.topology = &topology, .constraints = &constraints, .num_experts = shape.experts, .work_limit = work_limit});
  for (auto _ : state) {
    for (int layer = 0; layer < shape.layers; ++layer) {
      const SampleLoads sample{.loads = loads.layer(layer)};
      benchmark::DoNotOptimize(search.Run({&sample, 1}, shape.slots).data());
    }
  }
  const Quality quality = Measure(shape, work_limit);
  state.counters["balancedness"] = quality.balancedness;
  state.counters["reference"] = quality.reference;
  state.counters["bound"] = quality.bound;
  state.counters["gap"] = 1 - quality.balancedness / quality.bound;
  state.counters["layers_worse"] = quality.worse;
}

// With checks, reports and bounds.
void RunPlan(benchmark::State& state, const Shape& shape) {
  const Topology topology = TopologyOf(shape);
  const LoadSample sample{.loads = LognormalLoads(shape, 1)};
  const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}, .constraints = ConstraintsOf(shape)};
  for (auto _ : state) {
    benchmark::DoNotOptimize(PlanRebalance(problem, {.policy = Policy::kOptimized}, SerialFor()).value().placement);
  }
}

const int registered = [] {
  for (const Shape& shape : Shapes()) {
    benchmark::RegisterBenchmark(("search/" + shape.name).c_str(), RunSearch, shape, std::int64_t{0})
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("plan_optimized/" + shape.name).c_str(), RunPlan, shape)
        ->Unit(benchmark::kMillisecond);
  }
  for (const Shape& shape : Shapes()) {
    if (shape.layers > 100) continue;
    for (const std::int64_t limit : {10'000, 30'000, 100'000, 300'000, 1'000'000, 3'000'000}) {
      const std::string name = "work/" + shape.name + "/" + std::to_string(limit);
      benchmark::RegisterBenchmark(name.c_str(), RunSearch, shape, limit)->Unit(benchmark::kMillisecond)->Iterations(1);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace eplb::bench
