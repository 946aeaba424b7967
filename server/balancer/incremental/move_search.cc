#include "server/balancer/incremental/move_search.h"

#include <algorithm>
#include <limits>

namespace eplb {
namespace {

// Steps of slope by which additions are bounded.
constexpr int kSourcesPerStep = 64;
constexpr int kMaxSteps = 16;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

MoveSearch::MoveSearch(const LayerSlots& slots, const LoadPotential& potential)
    : slots_(slots),
      potential_(potential),
      hot_(slots, potential),
      values_(slots, potential),
      exchanges_(slots, potential),
      source_space_(static_cast<std::size_t>(slots.topology().num_slots())),
      additions_(static_cast<std::size_t>(slots.num_experts())),
      is_touched_(static_cast<std::size_t>(slots.topology().num_gpus())) {}

Move MoveSearch::FindBest(int max_fetches, double min_gain_per_fetch) {
  const double tokens_per_term = potential_.tokens_per_term();
  best_ = {.rate = tokens_per_term > 0 ? min_gain_per_fetch / tokens_per_term : 0.0};
  hot_.Rank();
  values_.Measure();
  FindSources();
  if (!sources_.empty()) SearchReplacements();
  const bool has_empty = slots_.used_slots() < slots_.topology().num_usable_slots();
  if (max_fetches >= 2 || has_empty) exchanges_.Search(hot_.gpus(), max_fetches >= 2, best_);
  best_.move.gain *= tokens_per_term;
  return best_.move;
}

inline MoveSearch::Source MoveSearch::SourceOf(int slot, int gpu) const {
  return {.slot = slot,
          .gpu = gpu,
          .value = values_.relief(slot) - values_.loss_elsewhere(slot),
          .slope = values_.emptied_slope(slot)};
}

void MoveSearch::FindSources() {
  const Topology& topology = slots_.topology();
  const bool may_fill = slots_.used_slots() < slots_.slot_budget();
  Source* source = source_space_.data();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    for (const std::int32_t slot : values_.replicated_on(gpu)) {
      if (slots_.MayDrop(slot)) *source++ = SourceOf(slot, gpu);
    }
    if (!may_fill) continue;
    if (const int slot = slots_.FillableSlot(gpu); slot >= 0) {
      *source++ = {.slot = slot, .gpu = gpu, .value = 0, .slope = values_.emptied_slope(slot)};
    }
  }
  sources_ = {source_space_.data(), source};
}

void MoveSearch::SearchReplacements() {
  // First what helps the fullest GPU most: the more the best move gains, the fewer of the others need a closer look.
  const int most = MostValuedOn(hot_.gpus().front());
  const double most_value = values_.value(most);
  const double most_charge = potential_.next_charge(most, 0);
  most_dropped_ = -kInfinity;
  least_slope_ = kInfinity;
  most_slope_ = 0;
  for (const Source& source : sources_) {
    most_dropped_ = std::max(most_dropped_, source.value);
    least_slope_ = std::min(least_slope_, source.slope);
    most_slope_ = std::max(most_slope_, source.slope);
  }
  for (const Source& source : sources_) {
    if (source.value + most_value - source.slope * most_charge > best_.rate) TryReplacement(source, most);
  }
  FindAdditions();
  for (const Source& source : sources_) {
    if (source.value + MostAdded(source) > best_.rate) TryAdditions(source);
  }
  for (const std::int32_t gpu : hot_.gpus()) SearchOverlapping(gpu);
}

int MoveSearch::MostValuedOn(int gpu) const {
  int most = 0;
  for (const std::int32_t expert : slots_.experts_on(gpu)) {
    if (expert != kEmptySlot && values_.value(expert) > values_.value(most)) most = expert;
  }
  return most;
}

void MoveSearch::FindAdditions() {
  const double least = best_.rate - most_dropped_;
  int count = 0;
  for (int expert = 0; expert < slots_.num_experts(); ++expert) {
    const double value = values_.value(expert);
    if (value <= least) continue;
    const double charge = potential_.next_charge(expert, 0);
    if (value - least_slope_ * charge <= least) continue;
    At(additions_.experts, count) = expert;
    At(additions_.value, count) = value;
    At(additions_.charge, count) = charge;
    ++count;
  }
  additions_.count = count;
  // The steeper a GPU's term is, the less any expert gains there. More steps pay where they save more sources.
  const int steps = std::clamp(static_cast<int>(std::ssize(sources_)) / kSourcesPerStep, 1, kMaxSteps);
  const double step = (most_slope_ - least_slope_) / steps;
  steps_per_slope_ = step > 0 ? 1 / step : 0;
  most_added_.assign(static_cast<std::size_t>(steps), -kInfinity);
  for (int k = 0; k < steps; ++k) {
    double most = -kInfinity;
    for (int i = 0; i < count; ++i) {
      most = std::max(most, At(additions_.value, i) - (least_slope_ + k * step) * At(additions_.charge, i));
    }
    At(most_added_, k) = most;
  }
}

double MoveSearch::MostAdded(const Source& source) const {
  const double step = (source.slope - least_slope_) * steps_per_slope_;  // not a number where slopes hardly differ
  const auto last = static_cast<int>(std::ssize(most_added_)) - 1;
  return At(most_added_, step >= last ? last : step >= 1 ? static_cast<int>(step) : 0);
}

double MoveSearch::EmptiedAmount(const Source& source, int sample) const {
  return values_.EmptiedAmount(source.gpu, slots_.expert_in(source.slot), sample);
}

void MoveSearch::TryAdditions(const Source& source) {
  const auto count = static_cast<std::size_t>(additions_.count);
  const std::span<double> gains = std::span(additions_.gain).first(count);
  std::copy_n(additions_.value.begin(), count, gains.begin());
  potential_.SubtractTerms(potential_.gpu(source.gpu, 0), EmptiedAmount(source, 0),
                           std::span(additions_.charge).first(count), gains);
  const std::span<double> charges = std::span(additions_.later_charge).first(count);
  for (int k = 1; k < potential_.num_samples(); ++k) {
    for (std::size_t i = 0; i < count; ++i) charges[i] = potential_.next_charge(additions_.experts[i], k);
    potential_.SubtractTerms(potential_.gpu(source.gpu, k), EmptiedAmount(source, k), charges, gains);
  }
  const double rest = source.value + values_.emptied_term(source.slot);
  for (std::size_t i = 0; i < count; ++i) {
    const double gain = rest + gains[i];
    if (gain > best_.rate) ConsiderReplacement(source, additions_.experts[i], gain);
  }
}

void MoveSearch::SearchOverlapping(int gpu) {
  const Topology& topology = slots_.topology();
  for (const std::int32_t slot : values_.replicated_on(gpu)) {
    slots_.ForEachReplica(slots_.expert_in(slot), [&](std::int32_t other) {
      const int other_gpu = topology.gpu_of_slot(other);
      if (other_gpu != gpu && slots_.MayDrop(other)) TryOverlapping(SourceOf(other, other_gpu), gpu, slot);
    });
  }
}

void MoveSearch::TryOverlapping(const Source& source, int gpu, int shared_slot) {
  const std::int32_t dropped = slots_.expert_in(source.slot);
  const double ideal = values_.relief(source.slot) + IdealOverlap(source, gpu);
  for (const std::int32_t slot : values_.replicated_on(gpu)) {
    const std::int32_t expert = slots_.expert_in(slot);
    if (expert == dropped) continue;
    // What twins relieve the GPU of counts twice: no bound here.
    const bool has_twins = slots_.HasTwins(expert);
    const double most = ideal + values_.value(expert) - values_.value_in(slot);
    if (has_twins || most > best_.rate) TryOverlappingPair(source, expert);
  }
  // Experts without another replica gain nothing elsewhere, and what the dropped expert's others lose is certain.
  const double lost = slots_.HasTwins(dropped) || slots_.replicas(dropped) == 2
                          ? 0.0
                          : values_.loss_elsewhere(source.slot) - values_.loss_in(shared_slot);
  if (ideal - lost <= best_.rate) return;
  for (const std::int32_t expert : slots_.experts_on(gpu)) {
    if (expert != kEmptySlot && slots_.replicas(expert) == 1) TryOverlappingPair(source, expert);
  }
}

double MoveSearch::IdealOverlap(const Source& source, int gpu) const {
  const Topology& topology = slots_.topology();
  const std::int32_t dropped = slots_.expert_in(source.slot);
  const double speed = topology.speed(gpu);
  const double other_speed = topology.speed(source.gpu);
  const bool alike = speed == other_speed;
  const double share = alike ? 0.5 : speed / (speed + other_speed);
  double gain = values_.emptied_term(source.slot);
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
    const double both =
        state.amount + potential_.charges(dropped, k).extra - values_.most_saved(gpu, k) + EmptiedAmount(source, k);
    const double ideal = potential_.Term(state, both * share);
    gain += state.term - ideal - (alike ? ideal : potential_.Term(potential_.gpu(source.gpu, k), both * (1.0 - share)));
  }
  return gain;
}

void MoveSearch::TryOverlappingPair(const Source& source, int expert) {
  const double added = values_.value(expert) + GainOnOwnGpu(source, expert);
  // At best the dropped expert's other replicas lose nothing, as this one takes off more where they are.
  if (values_.relief(source.slot) + added <= best_.rate) return;
  ConsiderReplacement(source, expert, source.value + added);
}

double MoveSearch::Overlap(int slot, int expert) const {
  const Topology& topology = slots_.topology();
  const std::int32_t dropped = slots_.expert_in(slot);
  if (dropped == kEmptySlot || (slots_.gpu_bits(dropped) & slots_.gpu_bits(expert)) == 0) return 0;
  // Some experts are on nearly all GPUs: the GPUs of the other one are fewer.
  const bool from_dropped = slots_.replicas(dropped) <= slots_.replicas(expert);
  const std::int32_t common = from_dropped ? expert : dropped;
  double overlap = 0;
  slots_.ForEachReplica(from_dropped ? dropped : expert, [&](std::int32_t rare_slot) {
    const int gpu = topology.gpu_of_slot(rare_slot);
    const int common_slot = slots_.SlotOn(gpu, common);
    if (common_slot < 0) return;
    const int loaded = from_dropped ? rare_slot : common_slot;
    const int eased = from_dropped ? common_slot : rare_slot;
    if (loaded == slot) return;
    overlap += values_.loss_in(loaded) - values_.value_in(eased);
    for (int k = 0; k < potential_.num_samples(); ++k) {
      const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
      const double extra = potential_.charges(dropped, k).extra;
      overlap += state.term - potential_.Term(state, state.amount + extra - potential_.charges(expert, k).relief);
    }
  });
  return overlap;
}

double MoveSearch::GainOnOwnGpu(const Source& source, int expert) const {
  double gain = values_.emptied_term(source.slot);
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const double amount = EmptiedAmount(source, k) + potential_.next_charge(expert, k);
    gain -= potential_.Term(potential_.gpu(source.gpu, k), amount);
  }
  return gain;
}

void MoveSearch::TryReplacement(const Source& source, int expert) {
  const double gain = source.value + values_.value(expert) + GainOnOwnGpu(source, expert);
  if (gain > best_.rate) ConsiderReplacement(source, expert, gain);
}

void MoveSearch::ConsiderReplacement(const Source& source, int expert, double gain) {
  if (!slots_.MayPlace(source.gpu, expert)) return;
  if (HasTwins(source) || slots_.HasTwins(expert)) {
    gain = ScaledGainOfReplacing(source.slot, expert);
  } else {
    gain += Overlap(source.slot, expert);
  }
  if (gain <= best_.rate) return;
  best_.rate = gain;
  best_.move = Move{.changes = {{{source.slot, expert}, {}}}, .num_changes = 1, .fetches = 1, .gain = gain};
}

inline void MoveSearch::AddDelta(int gpu, double* deltas, double delta) {
  if (!At(is_touched_, gpu)) {
    At(is_touched_, gpu) = 1;
    touched_.push_back(gpu);
  }
  deltas[gpu] += delta;
}

double MoveSearch::ScaledGainOfReplacing(int slot, std::int32_t expert) {
  const Topology& topology = slots_.topology();
  const int samples = potential_.num_samples();
  const std::int32_t dropped = slots_.expert_in(slot);
  touched_.clear();
  delta_.resize(is_touched_.size() * static_cast<std::size_t>(samples), 0.0);
  for (int k = 0; k < samples; ++k) {
    double* deltas = &At(delta_, k * topology.num_gpus());
    if (dropped != kEmptySlot) {
      const LoadPotential::Charges& charges = potential_.charges(dropped, k);
      slots_.ForEachReplica(dropped, [&](std::int32_t other) {
        AddDelta(topology.gpu_of_slot(other), deltas, other == slot ? -charges.now : charges.extra);
      });
    }
    if (expert != kEmptySlot) {
      const LoadPotential::Charges& charges = potential_.charges(expert, k);
      slots_.ForEachReplica(
          expert, [&](std::int32_t other) { AddDelta(topology.gpu_of_slot(other), deltas, -charges.relief); });
      AddDelta(topology.gpu_of_slot(slot), deltas, charges.next);
    }
  }
  double gain = 0;
  for (const std::int32_t gpu : touched_) {
    At(is_touched_, gpu) = 0;
    int k = 0;
    do {
      const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
      double& delta = At(delta_, k * topology.num_gpus() + gpu);
      gain += state.term - potential_.Term(state, state.amount + delta);
      delta = 0;
    } while (++k < samples);
  }
  return gain;
}

}  // namespace eplb
