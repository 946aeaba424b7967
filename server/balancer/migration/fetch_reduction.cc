#include "server/balancer/migration/fetch_reduction.h"

#include <algorithm>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {
namespace {

// Largest sets of each round over all fetches: triples, whose many sets must be sorted anew after each exchange, come
// last, when little is left to exchange.
constexpr int kSetSizes[] = {2, 2, 3};
// GPUs with more slots try only smaller sets: their number grows with the power of the slots.
constexpr int kMostSlotsForTriples = 12;
constexpr int kMostSlotsForPairs = 64;
constexpr int kMostTries = 64;       // exchanges of one size tried for one fetch
constexpr double kRounding = 1e-12;  // relative: equal loads may be summed in another order

bool Contains(const std::vector<std::int32_t>& values, std::int32_t value) {
  return std::ranges::find(values, value) != values.end();
}

}  // namespace

FetchReduction::FetchReduction(const Topology& topology, int num_experts, RelabelScope scope)
    : topology_(topology),
      scope_(scope),
      now_(Index(num_experts)),
      planned_(Index(num_experts)),
      sets_(Index(topology.num_gpus()) * kMostTogether) {}

int FetchReduction::Run(std::span<const std::int32_t> current, std::span<const std::span<const double>> samples,
                        std::span<std::int32_t> slots) {
  EPLB_CHECK(!samples.empty() && slots.size() == Index(topology_.num_slots()) && current.size() == slots.size());
  slots_ = slots;
  Start(current, samples);
  int saved = 0;
  for (const int most_together : kSetSizes) {
    int saved_now = 0;
    for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
      for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
        const std::int32_t expert = slots_[Index(slot)];
        if (expert != kEmptySlot && !HoldsNow(gpu, expert)) saved_now += ImproveSlot(gpu, slot, most_together);
      }
    }
    saved += saved_now;
  }
  return saved;
}

void FetchReduction::Start(std::span<const std::int32_t> current, std::span<const std::span<const double>> samples) {
  const std::size_t num_experts = now_.size();
  const std::size_t num_gpus = Index(topology_.num_gpus());
  for (std::vector<std::int32_t>& gpus : now_) gpus.clear();
  for (std::vector<std::int32_t>& gpus : planned_) gpus.clear();
  for (std::vector<Set>& sets : sets_) sets.clear();
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    const std::int32_t gpu = topology_.gpu_of_slot(slot);
    if (current[Index(slot)] != kEmptySlot) now_[Index(current[Index(slot)])].push_back(gpu);
    if (slots_[Index(slot)] != kEmptySlot) planned_[Index(slots_[Index(slot)])].push_back(gpu);
  }
  num_samples_ = samples.size();
  replica_load_.assign(num_samples_ * num_experts, 0.0);
  gpu_load_.assign(num_samples_ * num_gpus, 0.0);
  limit_.assign(num_samples_ * num_gpus, 0.0);
  for (std::size_t sample = 0; sample < num_samples_; ++sample) {
    double* const replica_load = replica_load_.data() + sample * num_experts;
    double* const gpu_load = gpu_load_.data() + sample * num_gpus;
    for (std::size_t expert = 0; expert < num_experts; ++expert) {
      const auto replicas = static_cast<double>(std::max<std::size_t>(planned_[expert].size(), 1));
      replica_load[expert] = samples[sample][expert] / replicas;
      for (const std::int32_t gpu : planned_[expert]) gpu_load[gpu] += replica_load[expert];
    }
    double max = 0;
    for (std::size_t gpu = 0; gpu < num_gpus; ++gpu) {
      max = std::max(max, gpu_load[gpu] / topology_.speed(static_cast<int>(gpu)));
    }
    for (std::size_t gpu = 0; gpu < num_gpus; ++gpu) {
      limit_[sample * num_gpus + gpu] = max * topology_.speed(static_cast<int>(gpu)) * (1 + kRounding);
    }
  }
}

bool FetchReduction::HoldsNow(int gpu, std::int32_t expert) const { return Contains(now_[Index(expert)], gpu); }
bool FetchReduction::HoldsPlanned(int gpu, std::int32_t expert) const { return Contains(planned_[Index(expert)], gpu); }

int FetchReduction::MostTogether(int gpu) const {
  const int slots = topology_.slots_on(gpu);
  return slots <= kMostSlotsForTriples ? 3 : slots <= kMostSlotsForPairs ? 2 : 1;
}

int FetchReduction::ImproveSlot(int gpu, std::int32_t slot, int most_together) {
  const std::int32_t expert = slots_[Index(slot)];
  Exchange best;
  int best_other = -1;
  most_together = std::min(most_together, MostTogether(gpu));
  for (int size = 1; size <= most_together && best_other < 0; ++size) {
    tries_left_ = kMostTries;
    for (const std::int32_t other : now_[Index(expert)]) {
      if (topology_.excluded(other) || HoldsPlanned(other, expert) || size > MostTogether(other)) continue;
      if (scope_ == RelabelScope::kWholeNodes && topology_.node_of_gpu(gpu) != topology_.node_of_gpu(other)) continue;
      const int saved_before = best.saved;
      MatchSets(gpu, other, slot, size, &best);
      if (best.saved > saved_before) best_other = other;
    }
  }
  if (best_other >= 0) Apply(gpu, best_other, best);
  return best.saved;
}

const std::vector<FetchReduction::Set>& FetchReduction::SetsOf(int gpu, int size) {
  std::vector<Set>& sets = sets_[Index(gpu * kMostTogether + size - 1)];
  if (!sets.empty()) return sets;
  const auto load = [&](std::int32_t slot) { return replica_load_[Index(slots_[Index(slot)])]; };
  const int end = topology_.first_slot(gpu + 1);
  for (int a = topology_.first_slot(gpu); a < end; ++a) {
    if (slots_[Index(a)] == kEmptySlot) continue;
    if (size == 1) sets.push_back({.load = load(a), .slots = {a, -1, -1}});
    for (int b = a + 1; size >= 2 && b < end; ++b) {
      if (slots_[Index(b)] == kEmptySlot) continue;
      if (size == 2) sets.push_back({.load = load(a) + load(b), .slots = {a, b, -1}});
      for (int c = b + 1; size == 3 && c < end; ++c) {
        if (slots_[Index(c)] == kEmptySlot) continue;
        sets.push_back({.load = load(a) + load(b) + load(c), .slots = {a, b, c}});
      }
    }
  }
  std::ranges::stable_sort(sets, {}, &Set::load);
  return sets;
}

void FetchReduction::MatchSets(int gpu, int other, std::int32_t slot, int size, Exchange* best) {
  const std::vector<Set>& mine = SetsOf(gpu, size);
  const std::vector<Set>& theirs = SetsOf(other, size);
  // With d = load given - load taken: load(other) + d and load(gpu) - d must be within their limits.
  const double most = limit_[Index(other)] - gpu_load_[Index(other)];
  const double least = gpu_load_[Index(gpu)] - limit_[Index(gpu)];
  for (const Set& given : mine) {
    if (std::find(given.slots, given.slots + size, slot) == given.slots + size) continue;
    auto taken = std::ranges::lower_bound(theirs, given.load - most, {}, &Set::load);
    for (; taken != theirs.end() && taken->load <= given.load - least; ++taken) {
      if (tries_left_-- <= 0) return;
      TryExchange(gpu, other, given, *taken, size, best);
    }
  }
}

double FetchReduction::LoadOfSet(const Set& set, int size, std::size_t sample) const {
  double load = 0;
  for (int i = 0; i < size; ++i) load += replica_load_[sample * now_.size() + Index(slots_[Index(set.slots[i])])];
  return load;
}

void FetchReduction::TryExchange(int gpu, int other, const Set& given, const Set& taken, int size,
                                 Exchange* best) const {
  int saved = 0;
  for (int i = 0; i < size; ++i) {
    const std::int32_t going = slots_[Index(given.slots[i])];
    const std::int32_t coming = slots_[Index(taken.slots[i])];
    saved += static_cast<int>(HoldsNow(other, going)) - static_cast<int>(HoldsNow(gpu, going)) +
             static_cast<int>(HoldsNow(gpu, coming)) - static_cast<int>(HoldsNow(other, coming));
  }
  if (saved <= best->saved) return;
  for (int i = 0; i < size; ++i) {
    if (HoldsPlanned(other, slots_[Index(given.slots[i])])) return;
    if (HoldsPlanned(gpu, slots_[Index(taken.slots[i])])) return;
  }
  const std::size_t num_gpus = Index(topology_.num_gpus());
  for (std::size_t sample = 0; sample < num_samples_; ++sample) {
    const double moved = LoadOfSet(given, size, sample) - LoadOfSet(taken, size, sample);
    const std::size_t row = sample * num_gpus;
    if (gpu_load_[row + Index(gpu)] - moved > limit_[row + Index(gpu)] && moved < 0) return;
    if (gpu_load_[row + Index(other)] + moved > limit_[row + Index(other)] && moved > 0) return;
  }
  *best = {.saved = saved, .size = size, .given = given, .taken = taken};
}

void FetchReduction::Apply(int gpu, int other, const Exchange& exchange) {
  const std::size_t num_gpus = Index(topology_.num_gpus());
  for (std::size_t sample = 0; sample < num_samples_; ++sample) {
    const double moved =
        LoadOfSet(exchange.given, exchange.size, sample) - LoadOfSet(exchange.taken, exchange.size, sample);
    gpu_load_[sample * num_gpus + Index(gpu)] -= moved;
    gpu_load_[sample * num_gpus + Index(other)] += moved;
  }
  const auto move = [&](std::int32_t expert, int from, int to) {
    *std::ranges::find(planned_[Index(expert)], from) = to;
  };
  for (int i = 0; i < exchange.size; ++i) {
    std::int32_t& given = slots_[Index(exchange.given.slots[i])];
    std::int32_t& taken = slots_[Index(exchange.taken.slots[i])];
    move(given, gpu, other);
    move(taken, other, gpu);
    std::swap(given, taken);
  }
  for (int size = 1; size <= kMostTogether; ++size) {
    sets_[Index(gpu * kMostTogether + size - 1)].clear();
    sets_[Index(other * kMostTogether + size - 1)].clear();
  }
}

}  // namespace eplb
