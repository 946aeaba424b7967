#include "server/balancer/incremental/move_search.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eplb {
namespace {

// GPUs that exchanges start from. More find little: an exchange between two GPUs that are both far from the fullest
// gains little of a power mean.
constexpr int kMaxHotGpus = 8;

// Bounds that may be equal to what they bound leave this part to rounding.
constexpr double kRounding = 1e-9;

// Which amounts of load, shifted between two GPUs by an exchange, may still gain more than the best move: with one
// sample the gain rises up to the ideal shift and falls beyond it, so whatever is further from the ideal than a shift
// that was tried gains no more than it.
struct ShiftRange {
  double ideal;
  double low = 0;  // load has to leave the fuller GPU
  double high = std::numeric_limits<double>::infinity();

  bool Contains(double shift) const { return shift > low && shift < high; }
  void Exclude(double shift) {
    if (shift <= ideal) low = std::max(low, shift);
    if (shift >= ideal) high = std::min(high, shift);
  }
};

}  // namespace

MoveSearch::MoveSearch(const LayerSlots& slots, const LoadPotential& potential)
    : slots_(slots), potential_(potential), values_(slots, potential) {
  const auto num_gpus = static_cast<std::size_t>(slots.topology().num_gpus());
  slope_.resize(num_gpus);
  amount_.resize(num_gpus);
  heat_.resize(num_gpus);
  is_hot_.resize(num_gpus);
  is_touched_.resize(num_gpus);
  const auto num_slots = static_cast<std::size_t>(slots.topology().num_slots());
  source_of_slot_.resize(num_slots);
  overlap_value_.resize(num_slots);
  overlap_charge_.resize(num_slots);
}

Move MoveSearch::FindBest(int max_fetches, double min_gain_per_fetch) {
  best_ = Move{};
  best_rate_ = min_gain_per_fetch;
  RankGpus();
  values_.Measure(hot_gpus_);
  FindSources();
  SearchReplacements();
  const bool has_empty = slots_.used_slots() < slots_.topology().num_usable_slots();
  if (max_fetches >= 2 || has_empty) SearchExchanges(max_fetches >= 2);
  return best_;
}

inline MoveSearch::Source MoveSearch::Drop(int slot, int gpu) const {
  double relief = 0;
  double emptied_term = 0;
  int k = 0;
  do {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
    const double emptied = values_.emptied_power(slot, k) * state.scale;
    relief += state.term - emptied;
    emptied_term += emptied;
  } while (++k < potential_.num_samples());
  return {.slot = slot,
          .gpu = gpu,
          .relief = relief,
          .value = relief - values_.loss_elsewhere(slot, slots_.expert_in(slot)),
          .emptied_term = emptied_term,
          .slope = values_.emptied_slope(slot) * potential_.gpu(gpu, 0).scale};
}

MoveSearch::Source MoveSearch::Fill(int slot, int gpu) const {
  const double term = potential_.SumOverSamples([=, this](int k) { return potential_.term(gpu, k); });
  return {.slot = slot, .gpu = gpu, .relief = 0, .value = 0, .emptied_term = term, .slope = At(slope_, gpu)};
}

void MoveSearch::FindSources() {
  const Topology& topology = slots_.topology();
  const bool may_fill = slots_.used_slots() < slots_.slot_budget();
  sources_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    for (const std::int32_t slot : values_.replicated_on(gpu)) {
      const bool may_drop = slots_.MayDrop(slot);
      At(source_of_slot_, slot) = may_drop ? static_cast<std::int32_t>(sources_.size()) : -1;
      if (may_drop) sources_.push_back(Drop(slot, gpu));
    }
    if (!may_fill) continue;
    if (const int slot = slots_.FillableSlot(gpu); slot >= 0) sources_.push_back(Fill(slot, gpu));
  }
  most_dropped_ = -std::numeric_limits<double>::infinity();
  least_slope_ = std::numeric_limits<double>::infinity();
  for (const Source& source : sources_) {
    most_dropped_ = std::max(most_dropped_, source.value);
    least_slope_ = std::min(least_slope_, source.slope);
  }
}

void MoveSearch::SearchReplacements() {
  if (sources_.empty()) return;
  const Addition most = AdditionOf(values_.MostValued());
  for (const Source& source : sources_) {
    if (source.value + most.value - source.slope * most.charge > best_rate_) TryReplacement(source, most);
  }
  // What an addition gains at most, on whichever of the sources' GPUs.
  additions_.clear();
  double most_added = 0;
  const double least_added = best_rate_ - most_dropped_;
  values_.ForEachAbove(least_added, [&](std::int32_t expert) {
    const Addition addition = AdditionOf(expert);
    const double added = addition.value - least_slope_ * addition.charge;
    if (added <= least_added) return;
    additions_.push_back(addition);
    most_added = std::max(most_added, added);
  });
  for (const Source& source : sources_) {
    if (additions_.empty() || source.value + most_added <= best_rate_) continue;
    const double least = best_rate_ - source.value;
    for (const Addition& addition : additions_) {
      if (addition.value - source.slope * addition.charge > least) TryReplacement(source, addition);
    }
  }
  SearchOverlapping();
}

void MoveSearch::SearchOverlapping() {
  overlaps_.clear();
  for (const std::int32_t gpu : hot_gpus_) CollectOverlaps(gpu);
  std::ranges::sort(overlaps_);
  for (const auto& [index, gpu] : overlaps_) TryOverlapping(At(sources_, index), gpu);
}

void MoveSearch::CollectOverlaps(int gpu) {
  const double slope = OverlapSlope(gpu);
  double most_value = 0;
  double least_charge = std::numeric_limits<double>::infinity();
  int slot = slots_.topology().first_slot(gpu) - 1;
  for (const std::int32_t expert : slots_.experts_on(gpu)) {
    ++slot;
    At(overlap_value_, slot) = -std::numeric_limits<double>::infinity();
    At(overlap_charge_, slot) = 0;
    if (expert == kEmptySlot) continue;
    const LoadPotential::Charges& charges = potential_.charges(expert, 0);
    const double relief = slope * charges.relief;
    double value = values_.value(expert);
    if (slope > 0)
      value += slots_.HasTwins(expert) ? slots_.replicas(expert) * relief : relief - values_.value_in(slot);
    At(overlap_value_, slot) = value;
    At(overlap_charge_, slot) = charges.next;
    most_value = std::max(most_value, value);
    least_charge = std::min(least_charge, charges.next);
  }
  for (const std::int32_t dropped_slot : values_.replicated_on(gpu)) {
    const std::int32_t dropped = slots_.expert_in(dropped_slot);
    const double most = most_value - slope * potential_.charges(dropped, 0).extra;
    slots_.ForEachReplica(dropped, [&](std::int32_t other) {
      const std::int32_t index = At(source_of_slot_, other);
      if (index < 0) return;
      const Source& source = At(sources_, index);
      if (source.gpu == gpu) return;
      if (source.relief + most - source.slope * least_charge > best_rate_) overlaps_.push_back({index, gpu});
    });
  }
}

double MoveSearch::OverlapSlope(int gpu) const { return potential_.num_samples() == 1 ? At(slope_, gpu) : 0.0; }

void MoveSearch::TryOverlapping(const Source& source, int gpu) {
  const Topology& topology = slots_.topology();
  const std::int32_t dropped = slots_.expert_in(source.slot);
  const double relief = source.relief - OverlapSlope(gpu) * potential_.charges(dropped, 0).extra;
  const int end = topology.first_slot(gpu + 1);
  for (int slot = topology.first_slot(gpu); slot < end; ++slot) {
    const double most = relief + At(overlap_value_, slot) - source.slope * At(overlap_charge_, slot);
    if (most > best_rate_ && slots_.expert_in(slot) != dropped) TryOverlapping(source, gpu, slot);
  }
}

void MoveSearch::TryOverlapping(const Source& source, int gpu, int slot) {
  const std::int32_t dropped = slots_.expert_in(source.slot);
  const std::int32_t expert = slots_.expert_in(slot);
  const double value = values_.value(expert);
  if (slots_.HasTwins(dropped) || slots_.HasTwins(expert)) {
    if (source.relief + value + GainOnOwnGpu(source, expert) > best_rate_) ConsiderReplacement(source.slot, expert);
    return;
  }
  if (potential_.num_samples() == 1 && (slots_.replicas(dropped) == 2 || slots_.replicas(expert) == 1)) {
    // This GPU is all that both have in common; the tangent at its load without the dropped one bounds the relief.
    const double slope = potential_.Slope(gpu, 0, potential_.amount(gpu, 0) + potential_.charges(dropped, 0).extra);
    const LoadPotential::Charges& charges = potential_.charges(expert, 0);
    const double rest = value - source.slope * charges.next - values_.value_in(slot);
    if (source.value + rest + slope * charges.relief <= best_rate_) return;
  }
  const double bound = source.value + value + Overlap(source.slot, expert);
  if (bound + GainOnOwnGpu(source, expert) > best_rate_) ConsiderReplacement(source.slot, expert);
}

double MoveSearch::Overlap(int slot, int expert) const {
  const Topology& topology = slots_.topology();
  const std::int32_t dropped = slots_.expert_in(slot);
  double overlap = 0;
  slots_.ForEachReplica(dropped, [&](std::int32_t other) {
    if (other == slot) return;
    const int gpu = topology.gpu_of_slot(other);
    slots_.ForEachReplica(expert, [&](std::int32_t eased) {
      if (topology.gpu_of_slot(eased) != gpu) return;
      overlap += values_.loss_in(other) - values_.value_in(eased);
      for (int k = 0; k < potential_.num_samples(); ++k) {
        const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
        const double extra = potential_.charges(dropped, k).extra;
        overlap += state.term - potential_.Term(state, state.amount + extra - potential_.charges(expert, k).relief);
      }
    });
  });
  return overlap;
}

double MoveSearch::GainOnOwnGpu(const Source& source, int expert) const {
  const int gpu = source.gpu;
  const std::int32_t dropped = slots_.expert_in(source.slot);
  double gain = source.emptied_term;
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
    double amount = state.amount;
    if (dropped != kEmptySlot) amount -= potential_.charge(dropped, k);
    gain -= potential_.Term(state, amount + potential_.next_charge(expert, k));
  }
  return gain;
}

void MoveSearch::TryReplacement(const Source& source, const Addition& addition) {
  if (slots_.expert_in(source.slot) == addition.expert) return;
  const double gain = source.value + addition.value + GainOnOwnGpu(source, addition.expert);
  if (gain > best_rate_) ConsiderReplacement(source.slot, addition.expert);
}

void MoveSearch::ConsiderReplacement(int slot, int expert) {
  if (!slots_.MayPlace(slots_.topology().gpu_of_slot(slot), expert)) return;
  const double gain = GainOfReplacing(slot, expert);
  if (gain <= best_rate_) return;
  best_rate_ = gain;
  best_ = Move{.changes = {{{slot, expert}, {}}}, .num_changes = 1, .fetches = 1, .gain = gain};
}

inline void MoveSearch::AddDelta(int gpu, double* deltas, double delta) {
  if (!At(is_touched_, gpu)) {
    At(is_touched_, gpu) = 1;
    touched_.push_back(gpu);
  }
  deltas[gpu] += delta;
}

double MoveSearch::GainOfReplacing(int slot, std::int32_t expert) {
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

void MoveSearch::RankGpus() {
  const Topology& topology = slots_.topology();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, 0);
    At(amount_, gpu) = state.amount;
    At(slope_, gpu) = potential_.SlopeOf(state.term, state.amount);
    const double term = potential_.SumOverSamples([=, this](int k) { return potential_.term(gpu, k); });
    const double speed = topology.speed(gpu);
    At(heat_, gpu) = speed == 1.0 ? term : term / speed;
  }
  // As many GPUs as were hot last are at least as hot as the coolest of those is now.
  double least = 0;
  if (std::ssize(hot_gpus_) == kMaxHotGpus) {
    least = At(heat_, hot_gpus_.front());
    for (const std::int32_t gpu : hot_gpus_) least = std::min(least, At(heat_, gpu));
  }
  for (const std::int32_t gpu : hot_gpus_) At(is_hot_, gpu) = 0;
  hot_gpus_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (At(heat_, gpu) >= least && !topology.excluded(gpu)) InsertHot(gpu);
  }
  for (const std::int32_t gpu : hot_gpus_) At(is_hot_, gpu) = 1;
}

// Falling, the lower GPU first of equal ones.
void MoveSearch::InsertHot(int gpu) {
  const double heat = At(heat_, gpu);
  if (std::ssize(hot_gpus_) < kMaxHotGpus) {
    hot_gpus_.push_back(gpu);
  } else if (heat <= At(heat_, hot_gpus_.back())) {
    return;
  }
  auto place = hot_gpus_.end() - 1;
  for (; place != hot_gpus_.begin() && At(heat_, *(place - 1)) < heat; --place) *place = *(place - 1);
  *place = gpu;
}

void MoveSearch::SearchExchanges(bool with_exchanges) {
  const Topology& topology = slots_.topology();
  // With one sample and equal speeds, shifting load gains the difference of both GPUs' slopes at first, and ever less,
  // by a convex function of the amount shifted, until their loads are equal: a triangle bounds what that sums up to.
  const bool bounded = potential_.num_samples() == 1 && topology.is_uniform();
  const auto may_gain = [&](int from, int to) {
    const double triangle = (At(slope_, from) - At(slope_, to)) * (At(amount_, from) - At(amount_, to)) * 0.25;
    return !bounded || triangle > best_rate_ * (1 - kRounding);
  };
  targets_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    // The fullest GPU has the largest triangle with any.
    if (!topology.excluded(gpu) && may_gain(hot_gpus_.front(), gpu)) targets_.push_back(gpu);
  }
  for (const std::int32_t from : hot_gpus_) {
    At(is_hot_, from) = 2;  // pairs with it are done
    for (const std::int32_t to : targets_) {
      if (At(is_hot_, to) != 2 && may_gain(from, to)) SearchGpuPair(from, to, with_exchanges);
    }
  }
}

double MoveSearch::IdealExchange(int from, int to) const {
  const Topology& topology = slots_.topology();
  const bool alike = topology.speed(from) == topology.speed(to);
  const double share = alike ? 0.5 : topology.speed(from) / (topology.speed(from) + topology.speed(to));
  double gain = 0;
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const LoadPotential::GpuState& giver = potential_.gpu(from, k);
    const LoadPotential::GpuState& taker = potential_.gpu(to, k);
    const double both = giver.amount + taker.amount;
    const double ideal = potential_.Term(giver, both * share);
    gain += giver.term + taker.term - ideal - (alike ? ideal : potential_.Term(taker, both * (1.0 - share)));
  }
  return gain;
}

double MoveSearch::IdealShift(int from, int to) const {
  const Topology& topology = slots_.topology();
  const bool alike = topology.speed(from) == topology.speed(to);
  const double share = alike ? 0.5 : topology.speed(from) / (topology.speed(from) + topology.speed(to));
  const double both = potential_.amount(from, 0) + potential_.amount(to, 0);
  return potential_.amount(from, 0) - both * share;
}

double MoveSearch::GainOfExchange(int from, int to, std::int32_t leaving, std::int32_t coming) const {
  const int samples = potential_.num_samples();
  double gain = 0;
  for (int k = 0; k < samples; ++k) {
    double shift = leaving == kEmptySlot ? 0.0 : potential_.charge(leaving, k);
    if (coming != kEmptySlot) shift -= potential_.charge(coming, k);
    gain += potential_.term(from, k) - potential_.Term(from, k, potential_.amount(from, k) - shift) +
            potential_.term(to, k) - potential_.Term(to, k, potential_.amount(to, k) + shift);
  }
  return gain;
}

bool MoveSearch::ExchangeAllowed(int slot, int other) const {
  const Topology& topology = slots_.topology();
  const int gpu = topology.gpu_of_slot(slot);
  const int other_gpu = topology.gpu_of_slot(other);
  const std::int32_t expert = slots_.expert_in(slot);
  const std::int32_t other_expert = slots_.expert_in(other);
  if (expert != kEmptySlot && !(slots_.MayPlace(other_gpu, expert) && slots_.KeepsSpread(slot, other_gpu))) {
    return false;
  }
  return other_expert == kEmptySlot || (slots_.MayPlace(gpu, other_expert) && slots_.KeepsSpread(other, gpu));
}

void MoveSearch::SearchGpuPair(int from, int to, bool with_exchanges) {
  const Topology& topology = slots_.topology();
  const bool one_sample = potential_.num_samples() == 1;
  const double ideal = IdealExchange(from, to);
  if (ideal <= best_rate_) return;
  ShiftRange range{.ideal = IdealShift(from, to)};
  bool tried_empty = false;
  for (int other = topology.first_slot(to); other < topology.first_slot(to + 1); ++other) {
    const std::int32_t coming = slots_.expert_in(other);
    const int fetches = coming == kEmptySlot ? 1 : 2;
    if (fetches == 2 && (!with_exchanges || ideal <= best_rate_ * 2)) continue;
    if (fetches == 1 && std::exchange(tried_empty, true)) continue;
    for (int slot = topology.first_slot(from); slot < topology.first_slot(from + 1); ++slot) {
      const std::int32_t leaving = slots_.expert_in(slot);
      if (leaving == coming || leaving == kEmptySlot) continue;
      const bool ranged = one_sample && fetches == 2;
      const double shift = ranged ? potential_.charge(leaving, 0) - potential_.charge(coming, 0) : 0.0;
      if (ranged && !range.Contains(shift)) continue;
      const double gain = GainOfExchange(from, to, leaving, coming);
      const bool gains = gain > best_rate_ * fetches;
      if (gains && !ExchangeAllowed(slot, other)) continue;
      if (ranged) range.Exclude(shift);
      if (!gains) continue;
      best_rate_ = gain / fetches;
      best_ = Move{.changes = {{{slot, coming}, {other, leaving}}}, .num_changes = 2, .fetches = fetches, .gain = gain};
    }
  }
}

}  // namespace eplb
