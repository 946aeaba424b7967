#include "server/balancer/incremental/move_search.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eplb {
namespace {

// GPUs that exchanges start from. More find little: an exchange between two GPUs that are both far from the fullest
// gains little of a power mean.
constexpr int kMaxHotGpus = 8;

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
    : slots_(slots), potential_(potential), values_(slots, potential) {}

void MoveSearch::FindSources() {
  const Topology& topology = slots_.topology();
  const std::span<const std::int32_t> slots = slots_.slots();
  const std::span<const std::int32_t> replicas = slots_.replicas();
  sources_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = At(slots, slot);
      if (expert == kEmptySlot || At(replicas, expert) < 2) continue;
      if (slots_.MayDrop(slot)) Drop(slot, sources_.emplace_back());
    }
    if (const int slot = slots_.FillableSlot(gpu); slot >= 0) sources_.push_back(Fill(slot));
  }
}

void MoveSearch::Drop(int slot, Source& source) const {
  const int gpu = slots_.topology().gpu_of_slot(slot);
  source.slot = slot;
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
    const double emptied_term = values_.emptied_power(slot, k) * state.scale;
    source.relief += state.term - emptied_term;
    source.emptied_term += emptied_term;
  }
  source.slope = values_.emptied_slope(slot) * potential_.gpu(gpu, 0).scale;
  double value = source.relief;
  slots_.ForEachReplica(slots_.expert_in(slot), [&](std::int32_t other) {
    if (other != slot) value -= values_.loss_in(other);
  });
  source.value = value;
}

MoveSearch::Source MoveSearch::Fill(int slot) const {
  const int gpu = slots_.topology().gpu_of_slot(slot);
  Source source{.slot = slot, .relief = 0, .value = 0, .emptied_term = 0, .slope = 0};
  source.slope = potential_.Slope(gpu, 0, potential_.amount(gpu, 0));
  for (int k = 0; k < potential_.num_samples(); ++k) source.emptied_term += potential_.term(gpu, k);
  return source;
}

Move MoveSearch::FindBest(int max_fetches, double min_gain_per_fetch) {
  best_ = Move{};
  best_rate_ = min_gain_per_fetch;
  RankGpus();
  values_.Measure();
  FindSources();
  SearchReplacements();
  const bool has_empty = slots_.used_slots() < slots_.topology().num_usable_slots();
  if (max_fetches >= 2 || has_empty) SearchExchanges(max_fetches >= 2);
  return best_;
}

void MoveSearch::SearchReplacements() {
  if (sources_.empty()) return;
  const std::span<const double> values = values_.values();
  const Addition most = AdditionOf(values_.most_valued());
  for (const Source& source : sources_) {
    if (source.value + most.value - source.slope * most.charge > best_rate_) TryReplacement(source, most);
  }
  double most_dropped = sources_.front().value;
  double least_slope = sources_.front().slope;
  for (const Source& source : sources_) {
    most_dropped = std::max(most_dropped, source.value);
    least_slope = std::min(least_slope, source.slope);
  }
  // What an addition gains at most, on whichever of the sources' GPUs.
  additions_.clear();
  double most_added = 0;
  const double least_added = best_rate_ - most_dropped;
  const int num_experts = slots_.num_experts();
  for (int expert = 0; expert < num_experts; ++expert) {
    const double added = At(values, expert) - least_slope * potential_.charges(expert, 0).next;
    if (added <= least_added) continue;
    additions_.push_back(AdditionOf(expert));
    most_added = std::max(most_added, added);
  }
  for (const Source& source : sources_) {
    if (additions_.empty() || source.value + most_added <= best_rate_) continue;
    for (const Addition& addition : additions_) {
      if (source.value + addition.value - source.slope * addition.charge > best_rate_) TryReplacement(source, addition);
    }
  }
  SearchOverlapping();
}

void MoveSearch::SearchOverlapping() {
  const Topology& topology = slots_.topology();
  source_of_slot_.assign(static_cast<std::size_t>(topology.num_slots()), -1);
  for (int i = 0; i < static_cast<int>(sources_.size()); ++i) At(source_of_slot_, At(sources_, i).slot) = i;
  overlap_value_.resize(source_of_slot_.size());
  has_twins_.resize(static_cast<std::size_t>(slots_.num_experts()));
  overlaps_.clear();
  for (const std::int32_t gpu : hot_gpus_) CollectOverlaps(gpu);
  std::ranges::sort(overlaps_);
  for (const auto& [index, gpu] : overlaps_) TryOverlapping(At(sources_, index), gpu);
}

void MoveSearch::CollectOverlaps(int gpu) {
  const Topology& topology = slots_.topology();
  const double slope = OverlapSlope(gpu);
  const int end = topology.first_slot(gpu + 1);
  double most_value = 0;
  double least_charge = std::numeric_limits<double>::infinity();
  for (int slot = topology.first_slot(gpu); slot < end; ++slot) {
    const std::int32_t expert = slots_.expert_in(slot);
    if (expert == kEmptySlot) continue;
    const double relief = slope * potential_.charges(expert, 0).relief;
    const int replicas = slots_.replicas(expert);
    const bool twins = replicas >= 2 && slots_.HasTwins(expert);
    At(has_twins_, expert) = twins;
    double& value = At(overlap_value_, slot);
    value = values_.value(expert);
    if (slope > 0) value += twins ? replicas * relief : relief - values_.value_in(slot);
    most_value = std::max(most_value, value);
    least_charge = std::min(least_charge, potential_.charges(expert, 0).next);
  }
  for (int slot = topology.first_slot(gpu); slot < end; ++slot) {
    const std::int32_t dropped = slots_.expert_in(slot);
    if (dropped == kEmptySlot || slots_.replicas(dropped) < 2) continue;
    const double most = most_value - slope * potential_.charges(dropped, 0).extra;
    slots_.ForEachReplica(dropped, [&](std::int32_t other) {
      const std::int32_t index = At(source_of_slot_, other);
      if (index < 0 || topology.gpu_of_slot(other) == gpu) return;
      const Source& source = At(sources_, index);
      if (source.relief + most - source.slope * least_charge > best_rate_) overlaps_.push_back({index, gpu});
    });
  }
}

double MoveSearch::OverlapSlope(int gpu) const { return potential_.num_samples() == 1 ? At(slope_, gpu) : 0.0; }

void MoveSearch::TryOverlapping(const Source& source, int gpu) {
  const Topology& topology = slots_.topology();
  const std::int32_t dropped = slots_.expert_in(source.slot);
  const double relief = source.relief - OverlapSlope(gpu) * potential_.charges(dropped, 0).extra;
  for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
    const std::int32_t expert = slots_.expert_in(slot);
    if (expert == kEmptySlot || expert == dropped) continue;
    const double most = relief + At(overlap_value_, slot) - source.slope * potential_.charges(expert, 0).next;
    if (most > best_rate_) TryOverlapping(source, gpu, slot);
  }
}

void MoveSearch::TryOverlapping(const Source& source, int gpu, int slot) {
  const std::int32_t dropped = slots_.expert_in(source.slot);
  const std::int32_t expert = slots_.expert_in(slot);
  const double value = values_.value(expert);
  if (At(has_twins_, dropped) || At(has_twins_, expert)) {
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
  const int gpu = slots_.topology().gpu_of_slot(source.slot);
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

void MoveSearch::AddDelta(int gpu, int sample, double delta) {
  if (!At(is_touched_, gpu)) {
    At(is_touched_, gpu) = 1;
    touched_.push_back(gpu);
  }
  At(delta_, gpu * potential_.num_samples() + sample) += delta;
}

double MoveSearch::GainOfReplacing(int slot, std::int32_t expert) {
  const Topology& topology = slots_.topology();
  const int samples = potential_.num_samples();
  const std::int32_t dropped = slots_.expert_in(slot);
  touched_.clear();
  delta_.resize(static_cast<std::size_t>(topology.num_gpus() * samples), 0.0);
  is_touched_.resize(static_cast<std::size_t>(topology.num_gpus()), 0);
  for (int k = 0; k < samples; ++k) {
    if (dropped != kEmptySlot) {
      const int replicas = slots_.replicas(dropped);
      const double charge = potential_.Charge(k, dropped, replicas);
      const double extra = replicas > 1 ? potential_.Charge(k, dropped, replicas - 1) - charge : 0.0;
      slots_.ForEachReplica(dropped, [&](std::int32_t other) {
        AddDelta(topology.gpu_of_slot(other), k, other == slot ? -charge : extra);
      });
    }
    if (expert != kEmptySlot) {
      const int replicas = slots_.replicas(expert);
      const double next = potential_.Charge(k, expert, replicas + 1);
      const double relief = replicas > 0 ? potential_.Charge(k, expert, replicas) - next : 0.0;
      slots_.ForEachReplica(expert, [&](std::int32_t other) { AddDelta(topology.gpu_of_slot(other), k, -relief); });
      AddDelta(topology.gpu_of_slot(slot), k, next);
    }
  }
  double gain = 0;
  for (const std::int32_t gpu : touched_) {
    At(is_touched_, gpu) = 0;
    for (int k = 0; k < samples; ++k) {
      double& delta = At(delta_, gpu * samples + k);
      gain += potential_.term(gpu, k) - potential_.Term(gpu, k, potential_.amount(gpu, k) + delta);
      delta = 0;
    }
  }
  return gain;
}

void MoveSearch::RankGpus() {
  const Topology& topology = slots_.topology();
  const auto num_gpus = static_cast<std::size_t>(topology.num_gpus());
  hot_gpus_.clear();
  heat_.assign(num_gpus, 0.0);
  slope_.assign(num_gpus, 0.0);
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    At(slope_, gpu) = potential_.SlopeOf(potential_.term(gpu, 0), potential_.amount(gpu, 0));
    for (int k = 0; k < potential_.num_samples(); ++k) At(heat_, gpu) += potential_.term(gpu, k);
    if (const double speed = topology.speed(gpu); speed != 1.0) At(heat_, gpu) /= speed;
    // Falling, the lower GPU first of equal ones: insertion, since few are kept.
    if (std::ssize(hot_gpus_) == kMaxHotGpus) {
      if (At(heat_, gpu) <= At(heat_, hot_gpus_.back())) continue;
      hot_gpus_.pop_back();
    }
    auto place = hot_gpus_.end();
    while (place != hot_gpus_.begin() && At(heat_, *(place - 1)) < At(heat_, gpu)) --place;
    hot_gpus_.insert(place, gpu);
  }
  is_hot_.assign(num_gpus, 0);
  for (const std::int32_t gpu : hot_gpus_) At(is_hot_, gpu) = 1;
}

void MoveSearch::SearchExchanges(bool with_exchanges) {
  const Topology& topology = slots_.topology();
  // The tangents of both GPUs bound what even the ideal exchange gains, here with half of their difference shifted.
  const bool bounded = potential_.num_samples() == 1 && topology.is_uniform();
  double least_slope = std::numeric_limits<double>::infinity();
  double least_amount = least_slope;
  for (int gpu = 0; bounded && gpu < topology.num_gpus(); ++gpu) {
    least_slope = std::min(least_slope, At(slope_, gpu));
    least_amount = std::min(least_amount, potential_.amount(gpu, 0));
  }
  for (const std::int32_t from : hot_gpus_) {
    At(is_hot_, from) = 2;  // pairs with it are done
    const double slope = At(slope_, from);
    const double amount = potential_.amount(from, 0);
    if (bounded && (slope - least_slope) * (amount - least_amount) * 0.5 <= best_rate_) continue;
    for (int to = 0; to < topology.num_gpus(); ++to) {
      if (bounded && (slope - At(slope_, to)) * (amount - potential_.amount(to, 0)) * 0.5 <= best_rate_) continue;
      if (At(is_hot_, to) != 2 && !topology.excluded(to)) SearchGpuPair(from, to, with_exchanges);
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
  ShiftRange range{.ideal = IdealShift(from, to)};
  const double ideal = IdealExchange(from, to);
  if (ideal <= best_rate_) return;
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
