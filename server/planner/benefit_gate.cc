#include "server/planner/benefit_gate.h"

#include <algorithm>
#include <cmath>

#include "server/balancer/balance_metrics.h"

namespace eplb {
namespace {

// The GPU that sends and the one that receives.
constexpr double kGpusPerTransfer = 2.0;
// Two for the forecast that the placement was made for and the new one, and half as much again since the largest of
// many promises is above their average.
constexpr double kNoiseMargin = 3.0;

// Plans of which none is to move for luck: those of some months.
constexpr double kPlans = 1e6;

// What the largest of so many standard normal deviates comes to.
double LargestDeviate(double count) { return std::sqrt(2.0 * std::log(std::max(2.0, count))); }

}  // namespace

BenefitGate::BenefitGate(const PlanSettings& settings, double expert_time_ratio, const Topology& topology,
                         const Placement& current, const LoadMatrix& loads, std::span<const LayerExcess> excess,
                         std::span<const double> noise_ratio, std::span<const double> settled_noise_ratio)
    : bytes_(static_cast<double>(settings.bytes_per_expert)),
      intra_node_bytes_per_second_(settings.intra_node_bytes_per_second),
      inter_node_bytes_per_second_(settings.inter_node_bytes_per_second) {
  const double bandwidth = topology.num_nodes() > 1 ? inter_node_bytes_per_second_ : intra_node_bytes_per_second_;
  cost_per_fetch_ = kGpusPerTransfer * bytes_ / bandwidth;
  double largest = 0;
  for (const LayerBalance& layer : MeasureBalance(current, loads, topology)) largest += layer.max;
  if (largest <= 0) return;
  gain_per_token_ = topology.num_usable_gpus() * expert_time_ratio * absl::ToDoubleSeconds(settings.horizon) / largest;

  LayerExcess sum;
  for (const LayerExcess& layer : excess) {
    sum.max += layer.max;
    sum.potential += layer.potential;
  }
  if (sum.potential > 0) tokens_per_potential_ = sum.max / sum.potential;
  if (settings.gate_disabled || GainOfPotential(1.0) <= 0) return;
  price_ = {.tokens = cost_per_fetch_ / GainOfPotential(1.0), .hysteresis = settings.hysteresis_ratio};
  for (std::size_t layer = 0; layer < excess.size(); ++layer) {
    price_.least_gain.push_back(kNoiseMargin * noise_ratio[layer] * excess[layer].risk);
  }
  if (excess.empty()) return;
  price_.noise_ratio.assign(settled_noise_ratio.begin(), settled_noise_ratio.end());
  price_.noise_margin = LargestDeviate(kPlans * current.num_layers() * static_cast<double>(current.num_experts()) *
                                       topology.num_usable_slots());
}

double BenefitGate::CostOf(const TransferCounts& transfers) const {
  return kGpusPerTransfer * bytes_ *
         (transfers.within_node / intra_node_bytes_per_second_ + transfers.across_nodes / inter_node_bytes_per_second_);
}

}  // namespace eplb
