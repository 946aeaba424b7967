#ifndef EPLB_SERVER_PLANNER_BENEFIT_GATE_H_
#define EPLB_SERVER_PLANNER_BENEFIT_GATE_H_

#include <span>

#include "absl/time/time.h"
#include "server/balancer/incremental/move_allocation.h"
#include "server/balancer/incremental/placement_potential.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/planner/plan_settings.h"

namespace eplb {

// Weighs what a plan gains against what its transfers cost, both in GPU-seconds.
//
// Every layer waits for its fullest GPU, so while the ranks spend the part u of their time in expert layers, lowering
// the largest load of a layer by d tokens saves all n GPUs together, over the horizon H,
//   gain = n u H d / D,   D = sum over the layers of the largest GPU load with the placement in force,
// all loads per unit of speed and under the forecast. The search lowers a potential, not the largest load; what it
// gains of the one counts for the other in proportion to how far both are from perfect balance:
//   d = gain of the potential * (sum over layers of largest load - mean) / (sum over layers of potential - mean).
// The potential holds a charge for what the forecast does not know, so that the less is known the less a gain counts.
// Copying one expert of B bytes keeps the sending and the receiving GPU busy:
//   cost = 2 B / bandwidth,   bandwidth between nodes or within one.
// A move is worth making only if gain > cost, a layer worth changing only if gain > (1 + hysteresis) cost in all. Both
// are linear in tokens and fetches, so the gate is a price in tokens for each fetch, which the search itself applies,
// move by move: price = cost D / (n u H). As long as it plans, a fetch is priced as one between nodes where there are
// several, since the source is not known yet.
//
// Where loads are noise around something that does not change, the forecast still wavers by what noise is left in it,
// and a placement that was best for one forecast is a little off under the next. A layer that could gain no more than
// noise explains is left alone: three times the potential's charge for the noise that is left, since each of the two
// forecasts promises that much on average and many promises are made. With the gains falling with the square of the
// noise, this and the price make such a deployment nearly come to rest.
//
// It comes to rest for good since where traffic stands still (LoadForecast::settled_noise_ratio) a move must also gain
// more than the noise of its own gain explains: the gain less z standard deviations (see LoadPotential) must meet its
// price. z = sqrt(2 ln(n)) is what the largest of n normal deviates comes to (Cramer, "Mathematical Methods of
// Statistics", 28.6), n = layers * slots * experts * 10^6 the replacements that a million plans choose from: the best
// of many moves is chosen for its luck too. Waiting costs little there.
class BenefitGate {
 public:
  // expert_time_ratio: u, in (0, 1]. loads: the forecast. excess: [layers] of the placement in force under it, and
  // noise_ratio and settled_noise_ratio [layers] as in LoadForecast; all empty where the plan is not made by the
  // potential.
  BenefitGate(const PlanSettings& settings, double expert_time_ratio, const Topology& topology,
              const Placement& current, const LoadMatrix& loads, std::span<const LayerExcess> excess,
              std::span<const double> noise_ratio, std::span<const double> settled_noise_ratio = {});

  // What each fetch must gain; no price where the gate is disabled or there is no load.
  const FetchPrice& price() const { return price_; }
  // GPU-seconds gained over the horizon by lowering the layers' largest loads by `tokens` in all, or their potentials.
  double GainOf(double tokens) const { return tokens * gain_per_token_; }
  double GainOfPotential(double potential) const { return GainOf(potential * tokens_per_potential_); }
  double CostOf(const TransferCounts& transfers) const;
  // Cost of as many fetches, were they priced as in planning.
  double CostOfFetches(int fetches) const { return fetches * cost_per_fetch_; }

 private:
  double bytes_ = 0;
  double intra_node_bytes_per_second_ = 0;
  double inter_node_bytes_per_second_ = 0;
  double tokens_per_potential_ = 1;
  double gain_per_token_ = 0;  // n u H / D
  double cost_per_fetch_ = 0;  // as priced in planning
  FetchPrice price_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_BENEFIT_GATE_H_
