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
    : slots_(slots), potential_(potential) {}

void MoveSearch::Prepare() {
  const Topology& topology = slots_.topology();
  value_of_add_.assign(static_cast<std::size_t>(slots_.num_experts()), 0.0);
  value_of_slot_.resize(static_cast<std::size_t>(topology.num_slots()));
  loss_of_slot_.resize(value_of_slot_.size());
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (!topology.excluded(gpu)) ValueReplicas(gpu);
  }
  MarkTwins();
  sources_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = slots_.expert_in(slot);
      if (expert == kEmptySlot || slots_.replicas(expert) < 2) continue;
      if (slots_.MayDrop(slot)) sources_.push_back(Drop(slot));
    }
    if (const int slot = slots_.FillableSlot(gpu); slot >= 0) sources_.push_back(Fill(slot));
  }
}

void MoveSearch::ValueReplicas(int gpu) {
  const Topology& topology = slots_.topology();
  const int samples = potential_.num_samples();
  const int first = topology.first_slot(gpu);
  const int end = topology.first_slot(gpu + 1);
  for (int k = 0; k < samples; ++k) {
    const LoadPotential::GpuState state = potential_.gpu(gpu, k);
    for (int slot = first; slot < end; ++slot) {
      const std::int32_t expert = slots_.expert_in(slot);
      if (expert == kEmptySlot) continue;
      const double relief = potential_.charge(expert, k) - potential_.next_charge(expert, k);
      const double value = state.term - potential_.Term(state, state.amount - relief);
      At(value_of_slot_, slot) = k == 0 ? value : At(value_of_slot_, slot) + value;
      if (slots_.replicas(expert) < 2) continue;
      const double loss = potential_.Term(state, state.amount + ExtraCharge(expert, k)) - state.term;
      At(loss_of_slot_, slot) = k == 0 ? loss : At(loss_of_slot_, slot) + loss;
    }
  }
  for (int slot = first; slot < end; ++slot) {
    const std::int32_t expert = slots_.expert_in(slot);
    if (expert != kEmptySlot) At(value_of_add_, expert) += At(value_of_slot_, slot);
  }
}

void MoveSearch::MarkTwins() {
  has_twins_.assign(value_of_add_.size(), 0);
  for (int expert = 0; expert < slots_.num_experts(); ++expert) {
    if (slots_.replicas(expert) >= 2 && slots_.HasTwins(expert)) At(has_twins_, expert) = 1;
  }
}

double MoveSearch::ExtraCharge(int expert, int sample) const {
  return potential_.Charge(sample, expert, slots_.replicas(expert) - 1) - potential_.charge(expert, sample);
}

MoveSearch::Source MoveSearch::Drop(int slot) const {
  const std::int32_t expert = slots_.expert_in(slot);
  const int gpu = slots_.topology().gpu_of_slot(slot);
  Source source{.slot = slot, .relief = 0, .value = 0, .emptied_term = 0, .slope = 0};
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
    const double emptied = state.amount - potential_.charge(expert, k);
    const double emptied_term = potential_.Term(state, emptied);
    source.relief += state.term - emptied_term;
    source.emptied_term += emptied_term;
    if (k == 0) source.slope = potential_.Slope(gpu, k, emptied);
  }
  source.value = source.relief;
  slots_.ForEachReplica(expert, [&](std::int32_t other) {
    if (other != slot) source.value -= At(loss_of_slot_, other);
  });
  return source;
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
  Prepare();
  SearchReplacements();
  const bool has_empty = slots_.used_slots() < slots_.topology().num_usable_slots();
  if (max_fetches >= 2 || has_empty) SearchExchanges(max_fetches >= 2);
  return best_;
}

void MoveSearch::SearchReplacements() {
  if (sources_.empty()) return;
  const auto top = std::ranges::max_element(value_of_add_);
  const Addition most = AdditionOf(static_cast<int>(top - value_of_add_.begin()));
  for (const Source& source : sources_) TryReplacement(source, most);
  double most_dropped = sources_.front().value;
  for (const Source& source : sources_) most_dropped = std::max(most_dropped, source.value);
  additions_.clear();
  for (int expert = 0; expert < slots_.num_experts(); ++expert) {
    if (At(value_of_add_, expert) + most_dropped > best_rate_) additions_.push_back(AdditionOf(expert));
  }
  for (const Source& source : sources_) {
    if (source.value + most.value <= best_rate_) continue;
    for (const Addition& addition : additions_) {
      if (source.value + addition.value - source.slope * addition.charge > best_rate_) TryReplacement(source, addition);
    }
  }
  for (const Source& source : sources_) {
    if (source.relief + most.value > best_rate_) TryOverlapping(source);
  }
}

void MoveSearch::TryOverlapping(const Source& source) {
  const Topology& topology = slots_.topology();
  const std::int32_t dropped = slots_.expert_in(source.slot);
  if (dropped == kEmptySlot) return;
  const int own_gpu = topology.gpu_of_slot(source.slot);
  const bool one_sample = potential_.num_samples() == 1;
  slots_.ForEachReplica(dropped, [&](std::int32_t other) {
    const int gpu = topology.gpu_of_slot(other);
    if (gpu == own_gpu || !At(is_hot_, gpu)) return;
    const double slope = potential_.Slope(gpu, 0, potential_.amount(gpu, 0) + ExtraCharge(dropped, 0));
    for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = slots_.expert_in(slot);
      if (expert == kEmptySlot || expert == dropped) continue;
      const Addition addition = AdditionOf(expert);
      const double rest = addition.value - source.slope * addition.charge;
      if (source.relief + rest <= best_rate_) continue;
      const bool twins = At(has_twins_, dropped) || At(has_twins_, expert);
      if (one_sample && !twins && (slots_.replicas(dropped) == 2 || slots_.replicas(expert) == 1)) {
        // This GPU is all that both have in common; the tangent at its load without the dropped one bounds the relief.
        const double relief = potential_.charge(expert, 0) - addition.charge;
        if (source.value + rest - At(value_of_slot_, slot) + slope * relief <= best_rate_) continue;
      }
      const double bound = addition.value + (twins ? source.relief : source.value + Overlap(source.slot, expert));
      if (bound + GainOnOwnGpu(source, expert) <= best_rate_) continue;
      ConsiderReplacement(source.slot, expert);
    }
  });
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
      overlap += At(loss_of_slot_, other) - At(value_of_slot_, eased);
      for (int k = 0; k < potential_.num_samples(); ++k) {
        const LoadPotential::GpuState& state = potential_.gpu(gpu, k);
        const double relief = potential_.charge(expert, k) - potential_.next_charge(expert, k);
        overlap += state.term - potential_.Term(state, state.amount + ExtraCharge(dropped, k) - relief);
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
  hot_gpus_.clear();
  heat_.assign(static_cast<std::size_t>(topology.num_gpus()), 0.0);
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    hot_gpus_.push_back(gpu);
    for (int k = 0; k < potential_.num_samples(); ++k) At(heat_, gpu) += potential_.term(gpu, k) / topology.speed(gpu);
  }
  const auto hot = std::min<std::ptrdiff_t>(kMaxHotGpus, std::ssize(hot_gpus_));
  std::ranges::partial_sort(hot_gpus_, hot_gpus_.begin() + hot, [&](std::int32_t a, std::int32_t b) {
    return At(heat_, a) != At(heat_, b) ? At(heat_, a) > At(heat_, b) : a < b;
  });
  hot_gpus_.resize(static_cast<std::size_t>(hot));
  is_hot_.assign(static_cast<std::size_t>(topology.num_gpus()), 0);
  for (const std::int32_t gpu : hot_gpus_) At(is_hot_, gpu) = 1;
}

void MoveSearch::SearchExchanges(bool with_exchanges) {
  const Topology& topology = slots_.topology();
  for (const std::int32_t from : hot_gpus_) {
    At(is_hot_, from) = 2;  // pairs with it are done
    for (int to = 0; to < topology.num_gpus(); ++to) {
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
  const double share = topology.speed(from) / (topology.speed(from) + topology.speed(to));
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
  const double ideal = IdealExchange(from, to);
  if (ideal <= best_rate_) return;
  ShiftRange range{.ideal = IdealShift(from, to)};
  const bool one_sample = potential_.num_samples() == 1;
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
