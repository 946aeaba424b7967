#include "client/eplbctl/local_rebalance.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "server/balancer/balance_metrics.h"
#include "server/balancer/balancer.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

double WorstBefore(const RebalancePlan& plan) {
  std::vector<LayerBalance> before;
  for (const LayerReport& layer : plan.layers) before.push_back(layer.before);
  return WorstBalancedness(before);
}

}  // namespace

absl::StatusOr<RebalanceResult> RebalanceLocally(const RebalanceTask& task, const ParallelFor& parallel) {
  const RebalanceProblem problem{.topology = &task.topology,
                                 .samples = task.samples,
                                 .current = task.has_current ? &task.before : nullptr,
                                 .constraints = task.constraints};
  const auto start = std::chrono::steady_clock::now();
  EPLB_ASSIGN_OR_RETURN(RebalancePlan plan, PlanRebalance(problem, task.options, parallel));
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  RebalanceResult result{.policy = std::string(PolicyName(plan.policy)), .placement = std::move(plan.placement)};
  result.slot_shares = std::move(plan.slot_shares);
  result.balancedness_before = plan.balancedness_before();
  result.balancedness_after = plan.balancedness_after();
  result.worst_before = WorstBefore(plan);
  result.worst_after = plan.worst_balancedness_after();
  result.step_time_before = plan.step_time_before();
  result.step_time_after = plan.step_time_after();
  result.lower_bound_step_time = plan.lower_bound_step_time();
  result.twins_before = TotalTwins(task.before, task.topology);
  result.twins_after = plan.twins();
  result.transfers = std::move(plan.transfers);
  result.fetches = TotalFetches(task.before, result.placement, task.topology);
  result.compute_ms = elapsed.count();
  return result;
}

}  // namespace eplb
