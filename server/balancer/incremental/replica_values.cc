#include "server/balancer/incremental/replica_values.h"

#include <algorithm>

namespace eplb {
namespace {

// What is measured of the slots of one GPU, in columns, so that compilers turn loops over them into vector
// instructions.
struct Columns {
  std::size_t size;
  const double* __restrict eased;
  const double* __restrict loaded;
  const double* __restrict emptied;
  double* __restrict value_in;
  double* __restrict loss_in;
  double* __restrict relief;
  double* __restrict emptied_term;
  double* __restrict emptied_slope;
};

// In the first sample, of a term whose power is taken by raise.
template <typename Raise>
void MeasureFirst(const Columns& columns, const LoadPotential::GpuState& gpu, double power, const Raise& raise) {
  const auto [size, eased, loaded, emptied, value_in, loss_in, relief, emptied_term, emptied_slope] = columns;
  const auto [amount, unused_power, term, inverse, scale] = gpu;
#ifndef __clang__
#pragma GCC ivdep  // g++ does not see that no column overlaps another
#endif
  for (std::size_t i = 0; i < size; ++i) {
    const double without = raise(emptied[i] * inverse) * scale;
    value_in[i] = term - raise(eased[i] * inverse) * scale;
    loss_in[i] = raise(loaded[i] * inverse) * scale - term;
    relief[i] = term - without;
    emptied_term[i] = without;
    emptied_slope[i] = power * inverse * scale * raise.OneLess(emptied[i] * inverse);
  }
}

// In any further sample.
template <typename Raise>
void AddSample(const Columns& columns, const LoadPotential::GpuState& gpu, const Raise& raise) {
  const auto [size, eased, loaded, emptied, value_in, loss_in, relief, emptied_term, unused_slope] = columns;
  const auto [amount, unused_power, term, inverse, scale] = gpu;
#ifndef __clang__
#pragma GCC ivdep  // g++ does not see that no column overlaps another
#endif
  for (std::size_t i = 0; i < size; ++i) {
    const double without = raise(emptied[i] * inverse) * scale;
    value_in[i] += term - raise(eased[i] * inverse) * scale;
    loss_in[i] += raise(loaded[i] * inverse) * scale - term;
    relief[i] += term - without;
    emptied_term[i] += without;
  }
}

}  // namespace

ReplicaValues::ReplicaValues(const LayerSlots& slots, const LoadPotential& potential)
    : slots_(slots), potential_(potential) {
  const Topology& topology = slots.topology();
  const auto num_slots = static_cast<std::size_t>(topology.num_slots());
  sums_.resize(static_cast<std::size_t>(slots.num_experts()));
  for (std::vector<double>* values :
       {&value_in_, &loss_in_, &emptied_term_, &relief_, &emptied_slope_, &eased_, &loaded_, &emptied_}) {
    values->resize(num_slots);
  }
  replicated_.resize(num_slots);
  num_replicated_.resize(static_cast<std::size_t>(topology.num_gpus()));
  changed_gpus_.resize(num_replicated_.size() + 1);
}

void ReplicaValues::Measure() {
  const int samples = potential_.num_samples();
  const int num_gpus = slots_.topology().num_gpus();
  most_saved_.resize(static_cast<std::size_t>(samples) * num_replicated_.size());
  const bool all = potential_.rescaled() > measurement_ || slots_.missing_experts() > 0;
  std::size_t num_changed = 0;
  for (int gpu = 0; gpu < num_gpus; ++gpu) {
    // Written in any case, and kept where the GPU has changed: which is hard to foretell.
    changed_gpus_[num_changed] = gpu;
    num_changed += all || potential_.changed(gpu) > measurement_;
  }
  const std::span<const int> changed = std::span(changed_gpus_).first(num_changed);
  for (int k = 0; k < samples; ++k) {
    // In two passes, as a processor that reads two numbers as one vector waits until their writes are through.
    for (const int gpu : changed) GatherAmounts(gpu, k);
    for (const int gpu : changed) MeasureTerms(gpu, k);
  }
  for (const int gpu : changed) FindReplicated(gpu);
  if (all) {
    AddUpAll();
  } else {
    for (const int gpu : changed) AddUp(gpu);
  }
  measurement_ = potential_.measurement();
}

double ReplicaValues::ExtraOfTwins(int gpu, std::int32_t expert, int sample) const {
  const auto here = std::ranges::count(slots_.experts_on(gpu), expert);
  return static_cast<double>(here - 1) * potential_.charges(expert, sample).extra;
}

inline void ReplicaValues::GatherAmounts(int gpu, int sample) {
  static constexpr LoadPotential::Charges kNone;
  const LoadPotential::Charges* all_charges = &potential_.charges(0, sample);
  const double amount = potential_.amount(gpu, sample);
  const int first = slots_.topology().first_slot(gpu);
  double* __restrict eased = eased_.data() + first;
  double* __restrict loaded = loaded_.data() + first;
  double* __restrict emptied = emptied_.data() + first;
  double most_saved = 0;
  for (const std::int32_t expert : slots_.experts_on(gpu)) {
    const bool has_twins = expert != kEmptySlot && slots_.HasTwins(expert);
    const LoadPotential::Charges& charges = expert == kEmptySlot ? kNone : all_charges[expert];
    most_saved = std::max(most_saved, charges.relief - charges.next);
    *eased++ = amount - charges.relief;
    *loaded++ = amount + charges.extra;
    *emptied++ = has_twins ? EmptiedAmount(gpu, expert, sample) : amount - charges.now;
  }
  At(most_saved_, sample * slots_.topology().num_gpus() + gpu) = most_saved;
}

inline void ReplicaValues::MeasureTerms(int gpu, int sample) {
  const auto first = static_cast<std::size_t>(slots_.topology().first_slot(gpu));
  const Columns columns{.size = static_cast<std::size_t>(slots_.topology().slots_on(gpu)),
                        .eased = eased_.data() + first,
                        .loaded = loaded_.data() + first,
                        .emptied = emptied_.data() + first,
                        .value_in = value_in_.data() + first,
                        .loss_in = loss_in_.data() + first,
                        .relief = relief_.data() + first,
                        .emptied_term = emptied_term_.data() + first,
                        .emptied_slope = emptied_slope_.data() + first};
  potential_.WithRaise([&](const auto& raise) {
    if (sample == 0) {
      MeasureFirst(columns, potential_.gpu(gpu, sample), potential_.power(), raise);
    } else {
      AddSample(columns, potential_.gpu(gpu, sample), raise);
    }
  });
}

inline void ReplicaValues::FindReplicated(int gpu) {
  const int first = slots_.topology().first_slot(gpu);
  const std::int32_t* const replicas = slots_.replicas().data();
  std::int32_t* const replicated = replicated_.data() + first;
  std::int32_t slot = first;
  int count = 0;
  for (const std::int32_t expert : slots_.experts_on(gpu)) {
    // The same with the experts that have other replicas.
    replicated[count] = slot++;
    if (expert != kEmptySlot) count += replicas[expert] > 1;
  }
  At(num_replicated_, gpu) = count;
}

inline void ReplicaValues::AddUpSlot(int slot, Sums& sums) const {
  const double loss = At(loss_in_, slot);
  sums.value += At(value_in_, slot);
  sums.other_losses += std::min(sums.most_loss, loss);
  sums.most_loss = std::max(sums.most_loss, loss);
}

void ReplicaValues::AddUpAll() {
  std::ranges::fill(sums_, Sums{});
  int slot = 0;
  for (const std::int32_t expert : slots_.slots()) {
    if (expert != kEmptySlot) AddUpSlot(slot, At(sums_, expert));
    ++slot;
  }
}

void ReplicaValues::AddUp(int gpu) {
  for (const std::int32_t expert : slots_.experts_on(gpu)) {
    if (expert == kEmptySlot) continue;
    Sums sums;
    slots_.ForEachReplica(expert, [&](std::int32_t slot) { AddUpSlot(slot, sums); });
    At(sums_, expert) = sums;
  }
}

double ReplicaValues::LossOffGpu(int slot) const {
  const int gpu = slots_.topology().gpu_of_slot(slot);
  double loss = 0;
  slots_.ForEachReplica(slots_.expert_in(slot), [&](std::int32_t other) {
    if (slots_.topology().gpu_of_slot(other) != gpu) loss += At(loss_in_, other);
  });
  return loss;
}

}  // namespace eplb
