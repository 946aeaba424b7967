#include "server/planner/adaptive_tick_planner.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/balancer/incremental/placement_potential.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/balancer/sample_mean.h"
#include "server/base/status_macros.h"
#include "server/base/stoppable_for.h"
#include "server/planner/benefit_gate.h"
#include "server/planner/forecast.h"
#include "server/planner/plan_reason.h"

namespace eplb {
namespace {

// p = 4 of the power mean that plans lower: the loads to come differ from the forecast, and each placement is to serve
// many sub-windows, so that GPUs well below the fullest count too.
constexpr int kPowerExponent = 2;

// Of the step time, what shares must gain to be published by themselves.
constexpr double kLeastShareGain = 0.005;

absl::StatusOr<LoadMatrix> PlainMean(std::span<const LoadMatrix> history) {
  std::vector<LoadSample> samples;
  samples.reserve(history.size());
  for (const LoadMatrix& loads : history) samples.push_back({.loads = loads});
  return SampleMean(samples);
}

// Sum over the layers of the mean GPU load, tokens per unit of speed.
double SumOfMeans(const LoadMatrix& loads, const Topology& topology) {
  double speed = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) speed += topology.excluded(gpu) ? 0.0 : topology.speed(gpu);
  double tokens = 0;
  for (const double load : loads.values()) tokens += load;
  return tokens / speed;
}

RebalanceOptions OptionsOf(const TickInput& input) {
  RebalanceOptions options;
  options.policy = input.settings.policy;
  options.work_limit = input.settings.work_limit;
  options.bytes_per_expert = input.settings.bytes_per_expert;
  options.max_transfers_per_gpu = input.settings.max_transfers_per_gpu;
  options.traffic_shares = input.settings.traffic_shares;
  options.power_exponent = kPowerExponent;
  options.always_bound = input.for_people;
  options.min_balancedness = input.settings.min_balancedness;
  if (!IsReference(options.policy)) options.budget = input.settings.budget;
  return options;
}

// Weighs a plan made without a budget as a whole: its moves were not weighed one by one.
void GateWhole(const BenefitGate& gate, const PlanSettings& settings, TickPlan& tick) {
  double tokens = 0;
  for (const LayerReport& layer : tick.plan.layers) tokens += layer.before.max - layer.after.max;
  tick.gain_gpu_seconds = gate.GainOf(tokens);
  if (settings.gate_disabled || tick.gain_gpu_seconds > (1.0 + settings.hysteresis_ratio) * tick.cost_gpu_seconds) {
    return;
  }
  tick.unchanged = tick.gain_gpu_seconds <= 0                       ? UnchangedReason::kNoBetterPlacement
                   : tick.gain_gpu_seconds <= tick.cost_gpu_seconds ? UnchangedReason::kGainBelowCost
                                                                    : UnchangedReason::kHysteresis;
}

// Publishes shares alone where they gain more than they would by chance. They cost no fetch, but every rank has to take
// them in, and they differ a little with every forecast.
void GateShares(const BenefitGate& gate, const PlanSettings& settings, TickPlan& tick) {
  double before = 0;
  double after = 0;
  double mean = 0;
  for (const LayerReport& layer : tick.plan.layers) {
    before += layer.before.max;
    after += layer.after.max;
    mean += layer.after.mean;
  }
  const double least = std::max(settings.hysteresis_ratio * (before - mean), kLeastShareGain * mean);
  if (before - after <= least) {
    tick.predicted_step_time = tick.plan.step_time_before();
    return;
  }
  tick.only_shares = true;
  tick.unchanged = UnchangedReason::kNone;
  tick.gain_gpu_seconds = gate.GainOf(before - after);
}

// parallel: where to plan; it may be stopped.
absl::StatusOr<TickPlan> PlanOn(const ParallelFor& parallel, const TickInput& input) {
  PlanSettings settings = input.settings;
  settings.gate_disabled = settings.gate_disabled || input.force;
  RebalanceOptions options = OptionsOf(input);
  std::vector<LoadSample> samples;
  std::vector<LoadMatrix> variances;
  std::vector<double> noise_ratio;
  std::vector<double> settled_noise_ratio;
  std::vector<LayerExcess> excess;
  if (IsReference(options.policy)) {
    EPLB_ASSIGN_OR_RETURN(LoadMatrix mean, PlainMean(input.history));
    samples.push_back({.loads = std::move(mean)});
  } else {
    LoadForecast forecast = ForecastLoads(input.history, parallel);
    samples.push_back({.loads = std::move(forecast.mean)});
    variances.push_back(std::move(forecast.variance));
    noise_ratio = std::move(forecast.noise_ratio);
    settled_noise_ratio = std::move(forecast.settled_noise_ratio);
    excess = MeasureExcess(*input.current, *input.topology, samples[0].loads, variances[0], kPowerExponent);
  }
  const BenefitGate gate(settings, input.expert_time_ratio.value_or(settings.expert_time_ratio), *input.topology,
                         *input.current, samples[0].loads, excess, noise_ratio, settled_noise_ratio);
  options.fetch_price = gate.price();
  options.fetch_price.usual_fetches = input.usual_fetches;
  options.fetch_price.extra_tokens = input.extra_gain * SumOfMeans(samples[0].loads, *input.topology);
  const RebalanceProblem problem{.topology = input.topology,
                                 .samples = samples,
                                 .current = input.current,
                                 .current_shares = input.current_shares,
                                 .constraints = input.constraints,
                                 .variances = variances};
  EPLB_ASSIGN_OR_RETURN(RebalancePlan plan, PlanRebalance(problem, options, parallel));

  TickPlan tick{.plan = std::move(plan)};
  tick.predicted_step_time = tick.plan.step_time_after();
  if (!tick.plan.slot_shares.empty()) {
    tick.slot_shares = std::make_shared<const std::vector<double>>(tick.plan.slot_shares);
    tick.loads = std::make_shared<const LoadMatrix>(samples[0].loads);
  }
  for (const LayerReport& layer : tick.plan.layers) {
    tick.layer_reasons.push_back(LayerUnchangedReason(layer, settings.min_balancedness));
  }
  const TransferCounts transfers = CountTransfers(tick.plan.transfers, *input.topology);
  tick.cost_gpu_seconds =
      tick.plan.transfers.empty() ? gate.CostOfFetches(tick.plan.fetches()) : gate.CostOf(transfers);
  if (tick.plan.placement == *input.current) {
    tick.unchanged = PlanUnchangedReason(tick.layer_reasons);
    if (settings.traffic_shares || !input.current_shares.empty()) GateShares(gate, settings, tick);
  } else if (options.budget.unlimited()) {
    if (!input.evacuates) GateWhole(gate, settings, tick);
  } else {
    double tokens = 0;
    for (const LayerReport& layer : tick.plan.layers) tokens += layer.gain;
    tick.gain_gpu_seconds = gate.GainOfPotential(tokens);
  }
  return tick;
}

}  // namespace

absl::StatusOr<TickPlan> AdaptiveTickPlanner::Plan(const TickInput& input) const {
  if (!input.stop) return UnlessStopped([&] { return PlanOn(parallel_, input); });
  const StoppableFor stoppable(parallel_, input.stop);
  return UnlessStopped([&] { return PlanOn(stoppable, input); });
}

}  // namespace eplb
