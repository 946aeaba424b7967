#include "server/balancer/incremental/replica_values.h"

#include <algorithm>
#include <array>

namespace eplb {

void ReplicaValues::Measure() {
  const Topology& topology = slots_.topology();
  const auto num_slots = static_cast<std::size_t>(topology.num_slots());
  value_.assign(static_cast<std::size_t>(slots_.num_experts()), 0.0);
  value_in_.resize(num_slots);
  loss_in_.resize(num_slots);
  eased_power_.resize(num_slots * static_cast<std::size_t>(potential_.num_samples()), 0.0);
  loaded_power_.resize(eased_power_.size(), 0.0);
  emptied_power_.resize(eased_power_.size(), 0.0);
  emptied_slope_.resize(num_slots, 0.0);
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    if (potential_.changed(gpu) > measurement_) MeasurePowers(gpu);
    const int first = topology.first_slot(gpu);
    const int end = topology.first_slot(gpu + 1);
    for (int k = 0; k < potential_.num_samples(); ++k) {
      const LoadPotential::GpuState state = potential_.gpu(gpu, k);
      const double* eased = &At(eased_power_, k * topology.num_slots());
      const double* loaded = &At(loaded_power_, k * topology.num_slots());
      for (int slot = first; slot < end; ++slot) {
        const double value = state.term - eased[slot] * state.scale;
        const double loss = loaded[slot] * state.scale - state.term;
        At(value_in_, slot) = k == 0 ? value : At(value_in_, slot) + value;
        At(loss_in_, slot) = k == 0 ? loss : At(loss_in_, slot) + loss;
      }
    }
    for (int slot = first; slot < end; ++slot) {
      const std::int32_t expert = slots_.expert_in(slot);
      if (expert != kEmptySlot) At(value_, expert) += At(value_in_, slot);
    }
  }
  most_valued_ = MostValued();
  measurement_ = potential_.measurement();
}

int ReplicaValues::MostValued() const {
  // Several maxima at once, since each comparison waits for the one before.
  std::array<double, 4> most = {};
  std::size_t expert = 0;
  for (; expert + 4 <= value_.size(); expert += 4) {
    for (std::size_t i = 0; i < 4; ++i) most[i] = std::max(most[i], value_[expert + i]);
  }
  for (; expert < value_.size(); ++expert) most[0] = std::max(most[0], value_[expert]);
  const auto found = std::ranges::find(value_, std::ranges::max(most));
  return found == value_.end() ? 0 : static_cast<int>(found - value_.begin());
}

void ReplicaValues::MeasurePowers(int gpu) {
  const Topology& topology = slots_.topology();
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const LoadPotential::GpuState state = potential_.gpu(gpu, k);
    double* eased = &At(eased_power_, k * topology.num_slots());
    double* emptied = &At(emptied_power_, k * topology.num_slots());
    double* loaded = &At(loaded_power_, k * topology.num_slots());
    for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = slots_.expert_in(slot);
      if (expert == kEmptySlot) continue;
      const LoadPotential::Charges& charges = potential_.charges(expert, k);
      eased[slot] = potential_.Power(state, state.amount - charges.relief);
      if (slots_.replicas(expert) < 2) continue;
      loaded[slot] = potential_.Power(state, state.amount + charges.extra);
      emptied[slot] = potential_.Power(state, state.amount - charges.now);
      if (k == 0) At(emptied_slope_, slot) = potential_.SlopeOf(emptied[slot], state.amount - charges.now);
    }
  }
}

}  // namespace eplb
