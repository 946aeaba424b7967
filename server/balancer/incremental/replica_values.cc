#include "server/balancer/incremental/replica_values.h"

#include <algorithm>
#include <utility>

namespace eplb {
namespace {

constexpr double kValued = -1;

}  // namespace

ReplicaValues::ReplicaValues(const LayerSlots& slots, const LoadPotential& potential)
    : slots_(slots), potential_(potential) {
  const auto num_slots = static_cast<std::size_t>(slots.topology().num_slots());
  const auto num_gpus = static_cast<std::size_t>(slots.topology().num_gpus());
  first_replicated_.resize(num_gpus + 1, 0);
  term_.resize(num_gpus);
  value_.resize(static_cast<std::size_t>(slots.num_experts()));
  loss_.resize(value_.size());
  value_in_.resize(num_slots);
  loss_in_.resize(num_slots);
  emptied_slope_.resize(num_slots);
}

inline double ReplicaValues::EasedPower(int expert, int gpu, int sample) const {
  const LoadPotential::GpuState& state = potential_.gpu(gpu, sample);
  return potential_.Power(state, state.amount - potential_.charges(expert, sample).relief);
}

inline void ReplicaValues::MeasureReplicated(int slot, int gpu) {
  const std::int32_t expert = slots_.expert_in(slot);
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
    const LoadPotential::Charges& charges = potential_.charges(expert, k);
    const int index = k * slots_.topology().num_slots() + slot;
    At(eased_power_, index) = EasedPower(expert, gpu, k);
    At(loaded_power_, index) = potential_.Power(state, state.amount + charges.extra);
    At(emptied_power_, index) = potential_.Power(state, state.amount - charges.now);
  }
  const double emptied = potential_.amount(gpu, 0) - potential_.charge(expert, 0);
  At(emptied_slope_, slot) = potential_.SlopeOf(At(emptied_power_, slot), emptied);
}

inline void ReplicaValues::ValueReplicated(int slot, int gpu) {
  const int num_slots = slots_.topology().num_slots();
  const double value = potential_.SumOverSamples([=, this](int k) {
    return potential_.term(gpu, k) - At(eased_power_, k * num_slots + slot) * potential_.gpu(gpu, k).scale;
  });
  At(value_in_, slot) = value;
  const std::int32_t expert = slots_.expert_in(slot);
  At(value_, expert) += value;
  const double loss = potential_.SumOverSamples([=, this](int k) {
    return At(loaded_power_, k * num_slots + slot) * potential_.gpu(gpu, k).scale - potential_.term(gpu, k);
  });
  At(loss_in_, slot) = loss;
  At(loss_, expert) += loss;
}

void ReplicaValues::Measure(std::span<const std::int32_t> gpus) {
  const Topology& topology = slots_.topology();
  const auto num_powers = value_in_.size() * static_cast<std::size_t>(potential_.num_samples());
  eased_power_.resize(num_powers);
  loaded_power_.resize(num_powers);
  emptied_power_.resize(num_powers);
  most_valued_ = 0;
  most_value_ = 0;
  FindReplicated();
  std::ranges::fill(value_, 0.0);
  std::ranges::fill(loss_, 0.0);
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    for (const std::int32_t slot : replicated_on(gpu)) ValueReplicated(slot, gpu);
    const double term = potential_.SumOverSamples([=, this](int k) { return potential_.term(gpu, k); });
    At(term_, gpu) = topology.excluded(gpu) ? kValued : term;
  }
  for (const std::int32_t gpu : gpus) ValueGpu(gpu);
  measurement_ = potential_.measurement();
}

// Those of GPUs that have not changed are the same as they were.
void ReplicaValues::FindReplicated() {
  const Topology& topology = slots_.topology();
  replicated_.swap(last_replicated_);
  replicated_.clear();
  int end = 0;  // of the last replicated slots of the GPU before
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    const int first = std::exchange(end, At(first_replicated_, gpu + 1));
    At(first_replicated_, gpu) = static_cast<std::int32_t>(replicated_.size());
    if (potential_.changed(gpu) <= measurement_) {
      replicated_.insert(replicated_.end(), last_replicated_.begin() + first, last_replicated_.begin() + end);
      continue;
    }
    int slot = topology.first_slot(gpu);
    for (const std::int32_t expert : slots_.experts_on(gpu)) {
      if (expert != kEmptySlot && slots_.replicas(expert) >= 2) {
        replicated_.push_back(slot);
        MeasureReplicated(slot, gpu);
      }
      ++slot;
    }
  }
  first_replicated_.back() = static_cast<std::int32_t>(replicated_.size());
}

inline void ReplicaValues::TakeIn(std::int32_t expert) {
  if (value(expert) < most_value_ || (value(expert) == most_value_ && expert > most_valued_)) return;
  most_value_ = value(expert);
  most_valued_ = expert;
}

void ReplicaValues::ValueGpu(int gpu) {
  At(term_, gpu) = kValued;
  int slot = slots_.topology().first_slot(gpu);
  for (const std::int32_t expert : slots_.experts_on(gpu)) {
    if (expert != kEmptySlot && slots_.replicas(expert) == 1) {
      const double value = potential_.SumOverSamples([=, this](int k) {
        return potential_.term(gpu, k) - EasedPower(expert, gpu, k) * potential_.gpu(gpu, k).scale;
      });
      At(value_in_, slot) = value;
      At(value_, expert) = value;
      TakeIn(expert);
    }
    ++slot;
  }
}

int ReplicaValues::MostValued() {
  for (const std::int32_t slot : replicated_) TakeIn(slots_.expert_in(slot));
  for (int gpu = 0; gpu < slots_.topology().num_gpus(); ++gpu) {
    if (At(term_, gpu) >= most_value_) ValueGpu(gpu);
  }
  return most_valued_;
}

}  // namespace eplb
