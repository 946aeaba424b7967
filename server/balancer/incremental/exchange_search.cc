#include "server/balancer/incremental/exchange_search.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eplb {
namespace {

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

ExchangeSearch::ExchangeSearch(const LayerSlots& slots, const LoadPotential& potential)
    : slots_(slots), potential_(potential) {
  const auto num_gpus = static_cast<std::size_t>(slots.topology().num_gpus());
  slope_.resize(num_gpus);
  amount_.resize(num_gpus);
  is_done_.resize(num_gpus);
}

void ExchangeSearch::Search(std::span<const std::int32_t> hot_gpus, bool with_exchanges, BestMove& best) {
  const Topology& topology = slots_.topology();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    const LoadPotential::GpuState& state = potential_.gpu(gpu, 0);
    At(amount_, gpu) = state.amount;
    At(slope_, gpu) = potential_.SlopeOf(state.term, state.amount);
  }
  // With one sample and equal speeds, shifting load gains the difference of both GPUs' slopes at first, and ever less,
  // by a convex function of the amount shifted, until their loads are equal: a triangle bounds what that sums up to.
  const bool bounded = potential_.num_samples() == 1 && topology.is_uniform();
  const auto may_gain = [&](int from, int to) {
    const double triangle = (At(slope_, from) - At(slope_, to)) * (At(amount_, from) - At(amount_, to)) * 0.25;
    return !bounded || triangle > best.rate * (1 - kRounding);
  };
  targets_.clear();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    // The fullest GPU has the largest triangle with any.
    if (!topology.excluded(gpu) && may_gain(hot_gpus.front(), gpu)) targets_.push_back(gpu);
    At(is_done_, gpu) = 0;
  }
  for (const std::int32_t from : hot_gpus) {
    At(is_done_, from) = 1;
    for (const std::int32_t to : targets_) {
      if (!At(is_done_, to) && may_gain(from, to)) SearchGpuPair(from, to, with_exchanges, best);
    }
  }
}

double ExchangeSearch::IdealExchange(int from, int to) const {
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

double ExchangeSearch::IdealShift(int from, int to) const {
  const Topology& topology = slots_.topology();
  const bool alike = topology.speed(from) == topology.speed(to);
  const double share = alike ? 0.5 : topology.speed(from) / (topology.speed(from) + topology.speed(to));
  const double both = potential_.amount(from, 0) + potential_.amount(to, 0);
  return potential_.amount(from, 0) - both * share;
}

double ExchangeSearch::GainOfExchange(int from, int to, std::int32_t leaving, std::int32_t coming) const {
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

bool ExchangeSearch::ExchangeAllowed(int slot, int other) const {
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

void ExchangeSearch::SearchGpuPair(int from, int to, bool with_exchanges, BestMove& best) const {
  const Topology& topology = slots_.topology();
  const bool one_sample = potential_.num_samples() == 1;
  const double ideal = IdealExchange(from, to);
  if (ideal <= best.rate) return;
  ShiftRange range{.ideal = IdealShift(from, to)};
  bool tried_empty = false;
  for (int other = topology.first_slot(to); other < topology.first_slot(to + 1); ++other) {
    const std::int32_t coming = slots_.expert_in(other);
    const int fetches = coming == kEmptySlot ? 1 : 2;
    if (fetches == 2 && (!with_exchanges || ideal <= best.rate * 2)) continue;
    if (fetches == 1 && std::exchange(tried_empty, true)) continue;
    for (int slot = topology.first_slot(from); slot < topology.first_slot(from + 1); ++slot) {
      const std::int32_t leaving = slots_.expert_in(slot);
      if (leaving == coming || leaving == kEmptySlot) continue;
      const bool ranged = one_sample && fetches == 2;
      const double shift = ranged ? potential_.charge(leaving, 0) - potential_.charge(coming, 0) : 0.0;
      if (ranged && !range.Contains(shift)) continue;
      const double gain = GainOfExchange(from, to, leaving, coming);
      const bool gains = gain > best.rate * fetches;
      if (gains && !ExchangeAllowed(slot, other)) continue;
      if (ranged) range.Exclude(shift);
      if (!gains) continue;
      best.rate = gain / fetches;
      best.move =
          Move{.changes = {{{slot, coming}, {other, leaving}}}, .num_changes = 2, .fetches = fetches, .gain = gain};
    }
  }
}

}  // namespace eplb
