// Time of the reference policies, one thread, all layers of a shape: the algorithm alone, and the whole plan with its
// checks, balances and bounds.

#include <string>

#include "benchmark/benchmark.h"
#include "server/balancer/balancer.h"
#include "server/balancer/reference/reference_policy.h"
#include "tests/bench/shapes.h"
#include "tests/support/published_policy.h"

namespace eplb::bench {
namespace {

void RunReference(benchmark::State& state, const Shape& shape) {
  const Topology topology = TopologyOf(shape);
  const LoadMatrix loads = LognormalLoads(shape, 1);
  ReferencePolicy policy(PublishedPolicy(topology) == Policy::kHierarchical ? HierarchicalShape(shape.experts, topology)
                                                                            : GlobalShape(shape.experts, topology));
  for (auto _ : state) {
    for (int layer = 0; layer < shape.layers; ++layer) {
      policy.Run(loads.layer(layer));
      benchmark::DoNotOptimize(policy.physical_to_logical().data());
    }
  }
}

void RunPlan(benchmark::State& state, const Shape& shape) {
  const Topology topology = TopologyOf(shape);
  const LoadSample sample{.loads = LognormalLoads(shape, 1)};
  const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
  const Policy policy = PublishedPolicy(topology);
  double balancedness = 0;
  double bound = 0;
  for (auto _ : state) {
    const RebalancePlan plan = PlanRebalance(problem, {.policy = policy}, SerialFor()).value();
    balancedness = plan.balancedness_after();
    bound = plan.lower_bound_step_time();
  }
  state.counters["balancedness"] = balancedness;
  state.counters["bound_step_time"] = bound;
}

const int registered = [] {
  for (const Shape& shape : Shapes()) {
    benchmark::RegisterBenchmark(("reference/" + shape.name).c_str(), RunReference, shape)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("plan/" + shape.name).c_str(), RunPlan, shape)->Unit(benchmark::kMillisecond);
  }
  return 0;
}();

}  // namespace
}  // namespace eplb::bench
