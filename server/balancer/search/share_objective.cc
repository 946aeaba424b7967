#include "server/balancer/search/share_objective.h"

#include <algorithm>
#include <cstdint>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {

ShareObjective::ShareObjective(const Topology& topology, int num_experts)
    : topology_(topology), optimizer_(topology, num_experts) {
  loads_.Resize(num_experts);
}

void ShareObjective::Reset(std::span<const SampleLoads> samples) {
  EPLB_CHECK(!samples.empty());
  samples_ = samples;
  total_weight_ = 0;
  for (const SampleLoads& sample : samples) total_weight_ += sample.weight;
  loads_.Assign(loads_.size(), 0.0);
  for (const SampleLoads& sample : samples) {
    const double part = samples.size() == 1 ? 1.0 : sample.weight / total_weight_;
    for (int expert = 0; expert < loads_.size(); ++expert) loads_[expert] += part * sample.loads[Index(expert)];
  }
}

double ShareObjective::MeanOfMaxima(std::span<const std::int32_t> slots, std::span<const double> share) const {
  double sum = 0;
  for (const SampleLoads& sample : samples_) {
    double max = 0;
    for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
      if (topology_.excluded(gpu)) continue;
      double tokens = 0;
      for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
        const std::int32_t expert = slots[Index(slot)];
        if (expert != kEmptySlot) tokens += share[Index(slot)] * sample.loads[Index(expert)];
      }
      max = std::max(max, tokens / topology_.speed(gpu));
    }
    sum += sample.weight / total_weight_ * max;
  }
  return sum;
}

void ShareObjective::ShareEvenly(std::span<const std::int32_t> slots) {
  is_usable_.Assign(loads_.size(), 0);
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    const std::int32_t expert = slots[Index(slot)];
    if (expert != kEmptySlot && !topology_.excluded(topology_.gpu_of_slot(slot))) is_usable_[expert] = 1;
  }
  const auto counts = [&](int slot) {
    const std::int32_t expert = slots[Index(slot)];
    return expert != kEmptySlot && (is_usable_[expert] == 0 || !topology_.excluded(topology_.gpu_of_slot(slot)));
  };
  replicas_.Assign(loads_.size(), 0);
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    if (counts(slot)) ++replicas_[slots[Index(slot)]];
  }
  even_share_.Assign(topology_.num_slots(), 0.0);
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    if (counts(slot)) even_share_[slot] = 1.0 / replicas_[slots[Index(slot)]];
  }
}

double ShareObjective::Choose(std::span<const std::int32_t> slots) {
  even_ = false;
  optimizer_.Run(slots, loads_.span());
  if (samples_.size() == 1) return optimizer_.max_load();
  ShareEvenly(slots);
  const double best = MeanOfMaxima(slots, optimizer_.share());
  const double even = MeanOfMaxima(slots, even_share_.span());
  even_ = even < best;
  return std::min(best, even);
}

double ShareObjective::Value(std::span<const std::int32_t> slots) {
  return samples_.size() == 1 ? optimizer_.OptimalShareLoad(slots, loads_.span()) : Choose(slots);
}

}  // namespace eplb
