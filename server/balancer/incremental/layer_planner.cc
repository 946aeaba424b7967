#include "server/balancer/incremental/layer_planner.h"

namespace eplb {
namespace {

// Gains below this part of the potential are rounding, or not worth a thought: without it a placement that is as good
// as it gets would be changed for ever.
constexpr double kLeastRelativeGain = 1e-6;

}  // namespace

LayerPlanner::LayerPlanner(const Topology& topology, const PlacementConstraints& constraints, int num_experts,
                           int power_exponent)
    : slots_(topology, constraints, num_experts),
      potential_(slots_, power_exponent),
      search_(slots_, potential_),
      repairs_(slots_, search_, constraints) {}

LayerMoves LayerPlanner::Plan(int layer, std::span<const std::int32_t> slots, std::span<const LayerSample> samples,
                              const LayerLimits& limits) {
  LayerMoves result;
  slots_.Load(layer, slots, samples[0].loads);
  potential_.Load(samples);
  int left = limits.max_fetches;
  for (Move move = repairs_.FindNext(); move.num_changes > 0; move = repairs_.FindNext()) {
    if (move.urgency != MoveUrgency::kCoverage) {
      if (move.fetches > left) return result;
      left -= move.fetches;
    }
    Apply(move);
    result.moves.push_back(move);
  }
  result.potential_before = potential_.value();
  if (limits.repairs_only) {
    result.exhausted = true;
    return result;
  }
  if (potential_.has_noise()) potential_.MeasureGradient(gradient_);
  for (int searches = 0; left > 0; ++searches) {
    if (searches == limits.max_searches) {
      result.out_of_work = true;
      break;
    }
    const double least = kLeastRelativeGain * potential_.value();
    Move move = search_.FindBest(left, least);
    if (move.num_changes == 0) {
      // An exchange may have been out of reach with a single fetch left.
      result.exhausted = left >= 2;
      break;
    }
    Apply(move);
    if (potential_.has_noise()) {
      potential_.MeasureGradient(next_gradient_);
      move.noise = potential_.GainNoise(gradient_, next_gradient_);
      gradient_.swap(next_gradient_);
    }
    left -= move.fetches;
    result.moves.push_back(move);
  }
  return result;
}

double LayerPlanner::Potential(int layer, std::span<const std::int32_t> slots, std::span<const LayerSample> samples) {
  slots_.Load(layer, slots, samples[0].loads);
  potential_.Load(samples);
  return potential_.value();
}

void LayerPlanner::Apply(Move& move) {
  const double before = potential_.value();
  changed_experts_.clear();
  changed_gpus_.clear();
  for (int i = 0; i < move.num_changes; ++i) {
    const SlotChange& change = At(move.changes, i);
    changed_gpus_.push_back(slots_.topology().gpu_of_slot(change.slot));
    for (const std::int32_t expert : {slots_.expert_in(change.slot), change.expert}) {
      if (expert != kEmptySlot) changed_experts_.push_back(expert);
    }
    slots_.Assign(change.slot, change.expert);
  }
  potential_.Refresh(changed_experts_, changed_gpus_);
  move.gain = before - potential_.value();
}

}  // namespace eplb
