#include "server/planner/gated_rebalance.h"

#include <limits>
#include <utility>
#include <vector>

#include "server/balancer/incremental/placement_potential.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/balancer/problem_check.h"
#include "server/balancer/sample_mean.h"
#include "server/base/check.h"
#include "server/base/status_macros.h"
#include "server/planner/benefit_gate.h"

namespace eplb {
namespace {

LoadMatrix NoVariance(const LoadMatrix& loads) {
  return LoadMatrix::Derived(loads.num_layers(), loads.num_experts(), std::vector<double>(loads.values().size(), 0.0));
}

}  // namespace

absl::StatusOr<GatedPlan> PlanGatedRebalance(const RebalanceProblem& problem, RebalanceOptions options,
                                             const PlanSettings& gate, const ParallelFor& parallel) {
  EPLB_CHECK(problem.current != nullptr);
  EPLB_RETURN_IF_ERROR(CheckProblem(problem, options));
  EPLB_ASSIGN_OR_RETURN(const LoadMatrix loads, SampleMean(problem.samples));
  const LoadMatrix variance = NoVariance(loads);
  const std::vector<LayerExcess> excess =
      MeasureExcess(*problem.current, *problem.topology, loads, variance, options.power_exponent);
  const std::vector<double> no_noise(excess.size(), 0.0);
  const BenefitGate weighed(gate, gate.expert_time_ratio, *problem.topology, *problem.current, loads, excess, no_noise);
  options.fetch_price = weighed.price();
  options.min_balancedness = gate.min_balancedness;
  if (options.budget.unlimited()) options.budget.total = std::numeric_limits<int>::max();

  EPLB_ASSIGN_OR_RETURN(RebalancePlan plan, PlanRebalance(problem, options, parallel));
  GatedPlan gated{.plan = std::move(plan)};
  double potential = 0;
  for (const LayerReport& layer : gated.plan.layers) potential += layer.gain;
  gated.gain_gpu_seconds = weighed.GainOfPotential(potential);
  gated.cost_gpu_seconds = weighed.CostOf(CountTransfers(gated.plan.transfers, *problem.topology));
  return gated;
}

}  // namespace eplb
