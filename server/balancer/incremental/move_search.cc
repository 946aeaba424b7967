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
  const int samples = potential_.num_samples();
  const int num_experts = slots_.num_experts();
  charge_.resize(static_cast<std::size_t>(num_experts * samples));
  next_charge_.resize(charge_.size());
  value_of_add_.resize(static_cast<std::size_t>(num_experts));
  for (int expert = 0; expert < num_experts; ++expert) {
    const int replicas = slots_.replicas(expert);
    for (int k = 0; k < samples; ++k) {
      At(charge_, expert * samples + k) = replicas > 0 ? potential_.Charge(k, expert, replicas) : 0.0;
      At(next_charge_, expert * samples + k) = potential_.Charge(k, expert, replicas + 1);
    }
    At(value_of_add_, expert) = ValueOfAdding(expert);
  }
  sources_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
      if (slots_.expert_in(slot) == kEmptySlot || slots_.replicas(slots_.expert_in(slot)) < 2) continue;
      if (slots_.MayDrop(slot)) sources_.push_back(Drop(slot));
    }
    if (const int slot = slots_.FillableSlot(gpu); slot >= 0) sources_.push_back({slot, 0.0, 0.0});
  }
}

double MoveSearch::ValueOfAdding(int expert) const {
  const Topology& topology = slots_.topology();
  const int samples = potential_.num_samples();
  double value = 0;
  slots_.ForEachReplica(expert, [&](std::int32_t slot) {
    const int gpu = topology.gpu_of_slot(slot);
    for (int k = 0; k < samples; ++k) {
      const double relief = At(charge_, expert * samples + k) - At(next_charge_, expert * samples + k);
      value += potential_.term(gpu, k) - potential_.Term(gpu, k, potential_.amount(gpu, k) - relief);
    }
  });
  return value;
}

MoveSearch::Source MoveSearch::Drop(int slot) const {
  const Topology& topology = slots_.topology();
  const int samples = potential_.num_samples();
  const std::int32_t expert = slots_.expert_in(slot);
  const int own_gpu = topology.gpu_of_slot(slot);
  Source source{.slot = slot, .relief = 0, .value = 0};
  for (int k = 0; k < samples; ++k) {
    const double charge = At(charge_, expert * samples + k);
    source.relief += potential_.term(own_gpu, k) - potential_.Term(own_gpu, k, potential_.amount(own_gpu, k) - charge);
    const double extra = potential_.Charge(k, expert, slots_.replicas(expert) - 1) - charge;
    slots_.ForEachReplica(expert, [&](std::int32_t other) {
      const int gpu = topology.gpu_of_slot(other);
      if (other == slot) return;
      source.value += potential_.term(gpu, k) - potential_.Term(gpu, k, potential_.amount(gpu, k) + extra);
    });
  }
  source.value += source.relief;
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
  const double most_added = *top;
  for (const Source& source : sources_) TryReplacement(source, static_cast<int>(top - value_of_add_.begin()));
  double most_dropped = sources_.front().value;
  for (const Source& source : sources_) most_dropped = std::max(most_dropped, source.value);
  adds_.clear();
  for (int expert = 0; expert < slots_.num_experts(); ++expert) {
    if (At(value_of_add_, expert) + most_dropped > best_rate_) adds_.push_back(expert);
  }
  for (const Source& source : sources_) {
    if (source.value + most_added <= best_rate_) continue;
    for (const std::int32_t expert : adds_) {
      if (source.value + At(value_of_add_, expert) > best_rate_) TryReplacement(source, expert);
    }
  }
  for (const Source& source : sources_) {
    if (source.relief + most_added > best_rate_) TryOverlapping(source);
  }
}

void MoveSearch::TryOverlapping(const Source& source) {
  const Topology& topology = slots_.topology();
  const std::int32_t dropped = slots_.expert_in(source.slot);
  if (dropped == kEmptySlot) return;
  const int own_gpu = topology.gpu_of_slot(source.slot);
  slots_.ForEachReplica(dropped, [&](std::int32_t other) {
    const int gpu = topology.gpu_of_slot(other);
    if (gpu == own_gpu || !At(is_hot_, gpu)) return;
    for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = slots_.expert_in(slot);
      if (expert == kEmptySlot || expert == dropped) continue;
      const double bound = source.relief + At(value_of_add_, expert);
      if (bound > best_rate_ && bound + GainOnOwnGpu(source.slot, expert) > best_rate_) {
        ConsiderReplacement(source.slot, expert);
      }
    }
  });
}

double MoveSearch::GainOnOwnGpu(int slot, int expert) const {
  const int samples = potential_.num_samples();
  const int gpu = slots_.topology().gpu_of_slot(slot);
  const std::int32_t dropped = slots_.expert_in(slot);
  double gain = 0;
  for (int k = 0; k < samples; ++k) {
    double amount = potential_.amount(gpu, k);
    if (dropped != kEmptySlot) amount -= At(charge_, dropped * samples + k);
    gain += potential_.Term(gpu, k, amount) - potential_.Term(gpu, k, amount + At(next_charge_, expert * samples + k));
  }
  return gain;
}

void MoveSearch::TryReplacement(const Source& source, int expert) {
  if (slots_.expert_in(source.slot) == expert) return;
  const double gain = source.value + At(value_of_add_, expert) + GainOnOwnGpu(source.slot, expert);
  if (gain > best_rate_) ConsiderReplacement(source.slot, expert);
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
  const auto term = [&](std::int32_t gpu) {
    double sum = 0;
    for (int k = 0; k < potential_.num_samples(); ++k) sum += potential_.term(gpu, k) / topology.speed(gpu);
    return sum;
  };
  hot_gpus_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (!topology.excluded(gpu)) hot_gpus_.push_back(gpu);
  }
  const auto hot = std::min<std::ptrdiff_t>(kMaxHotGpus, std::ssize(hot_gpus_));
  std::ranges::partial_sort(hot_gpus_, hot_gpus_.begin() + hot, [&](std::int32_t a, std::int32_t b) {
    const double term_a = term(a);
    const double term_b = term(b);
    return term_a != term_b ? term_a > term_b : a < b;
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
  const double share = topology.speed(from) / (topology.speed(from) + topology.speed(to));
  double gain = 0;
  for (int k = 0; k < potential_.num_samples(); ++k) {
    const double both = potential_.amount(from, k) + potential_.amount(to, k);
    gain += potential_.term(from, k) + potential_.term(to, k) - potential_.Term(from, k, both * share) -
            potential_.Term(to, k, both * (1.0 - share));
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
    double shift = leaving == kEmptySlot ? 0.0 : At(charge_, leaving * samples + k);
    if (coming != kEmptySlot) shift -= At(charge_, coming * samples + k);
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
      const double shift = ranged ? At(charge_, leaving) - At(charge_, coming) : 0.0;
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
