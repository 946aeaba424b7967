#include "server/balancer/shares/entry_counts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {
namespace {

constexpr int kMostPasses = 16;
constexpr double kRounding = 1e-12;  // relative differences below this do not count

}  // namespace

EntryCounts::EntryCounts(const Topology& topology, int num_experts)
    : topology_(topology),
      slots_of_(Index(num_experts)),
      copies_(Index(topology.num_slots())),
      first_twin_(Index(topology.num_slots())),
      count_(Index(topology.num_slots())),
      best_count_(Index(topology.num_slots())),
      gpu_load_(Index(topology.num_gpus())) {}

bool EntryCounts::Objective::Improves(const Objective& other) const {
  if (max < other.max * (1 - kRounding)) return true;
  if (max > other.max * (1 + kRounding)) return false;
  if (squares < other.squares * (1 - kRounding)) return true;
  if (squares > other.squares * (1 + kRounding)) return false;
  return entries < other.entries;
}

void EntryCounts::Run(std::span<const std::int32_t> slots, std::span<const double> loads, std::span<const double> share,
                      int max_entries) {
  EPLB_CHECK(slots.size() == count_.size() && share.size() == count_.size() && loads.size() == slots_of_.size());
  max_entries_ = max_entries;
  GroupSlots(slots, loads);
  Start({});
  const double from_even = Descend(loads);
  best_count_ = count_;
  Start(share);
  max_load_ = Descend(loads);
  if (from_even < max_load_) {
    max_load_ = from_even;
    count_ = best_count_;
  }
  SplitTwins();
}

void EntryCounts::GroupSlots(std::span<const std::int32_t> slots, std::span<const double> loads) {
  for (std::vector<std::int32_t>& held : slots_of_) held.clear();
  std::ranges::fill(first_twin_, -1);
  for (const bool excluded : {false, true}) {
    for (int slot = 0; slot < topology_.num_slots(); ++slot) {
      const std::int32_t expert = slots[Index(slot)];
      if (expert == kEmptySlot || topology_.excluded(topology_.gpu_of_slot(slot)) != excluded) continue;
      std::vector<std::int32_t>& held = slots_of_[Index(expert)];
      // Excluded slots only where there is nothing else.
      if (excluded && !held.empty() && !topology_.excluded(topology_.gpu_of_slot(held[0]))) continue;
      if (!held.empty() && topology_.gpu_of_slot(held.back()) == topology_.gpu_of_slot(slot)) {
        ++copies_[Index(held.back())];
        first_twin_[Index(slot)] = held.back();
        continue;
      }
      held.push_back(slot);
      copies_[Index(slot)] = 1;
    }
  }
  order_.clear();
  for (std::size_t expert = 0; expert < slots_of_.size(); ++expert) {
    const std::vector<std::int32_t>& held = slots_of_[expert];
    EPLB_CHECK(static_cast<int>(held.size()) <= max_entries_);
    const bool usable = !held.empty() && !topology_.excluded(topology_.gpu_of_slot(held[0]));
    if (usable && held.size() > 1 && loads[expert] > 0) order_.push_back(static_cast<std::int32_t>(expert));
  }
  std::ranges::stable_sort(order_, std::greater<>(), [&](std::int32_t expert) { return loads[Index(expert)]; });
}

void EntryCounts::SplitTwins() {
  for (std::size_t slot = 0; slot < first_twin_.size(); ++slot) {
    if (first_twin_[slot] < 0) continue;
    // Copies to come, this one included, each take an equal part of what is left.
    std::int32_t& left = count_[Index(first_twin_[slot])];
    std::int32_t& copies = copies_[Index(first_twin_[slot])];
    count_[slot] = left / copies;
    left -= count_[slot];
    --copies;
  }
}

void EntryCounts::Start(std::span<const double> share) {
  std::ranges::fill(count_, 0);
  for (const std::vector<std::int32_t>& held : slots_of_) {
    for (const std::int32_t slot : held) count_[Index(slot)] = copies_[Index(slot)];
  }
  if (share.empty()) return;
  for (const std::int32_t expert : order_) {
    const std::vector<std::int32_t>& held = slots_of_[Index(expert)];
    ideal_.clear();
    for (const std::int32_t slot : held) ideal_.push_back(share[Index(slot)] * copies_[Index(slot)]);
    RoundIdeal(max_entries_);
    for (std::size_t i = 0; i < held.size(); ++i) count_[Index(held[i])] = trial_[i];
  }
}

void EntryCounts::MeasureGpus(std::span<const double> loads) {
  std::ranges::fill(gpu_load_, 0.0);
  for (std::size_t expert = 0; expert < slots_of_.size(); ++expert) {
    const std::vector<std::int32_t>& held = slots_of_[expert];
    if (held.empty() || topology_.excluded(topology_.gpu_of_slot(held[0]))) continue;
    current_.clear();
    for (const std::int32_t slot : held) current_.push_back(count_[Index(slot)]);
    AddLoad(held, loads[expert], current_);
  }
}

void EntryCounts::AddLoad(std::span<const std::int32_t> slots, double load, std::span<const std::int32_t> counts) {
  const int entries = std::accumulate(counts.begin(), counts.end(), 0);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const int gpu = topology_.gpu_of_slot(slots[i]);
    gpu_load_[Index(gpu)] += load * counts[i] / entries / topology_.speed(gpu);
  }
}

double EntryCounts::Descend(std::span<const double> loads) {
  MeasureGpus(loads);
  bool improved = true;
  for (int pass = 0; pass < kMostPasses && improved; ++pass) {
    improved = false;
    for (const std::int32_t expert : order_) improved |= ImproveExpert(expert, loads[Index(expert)]);
  }
  MeasureGpus(loads);  // afresh, without the rounding of all the steps
  return *std::ranges::max_element(gpu_load_);
}

bool EntryCounts::ImproveExpert(std::int32_t expert, double load) {
  const std::vector<std::int32_t>& held = slots_of_[Index(expert)];
  current_.clear();
  for (const std::int32_t slot : held) current_.push_back(count_[Index(slot)]);
  AddLoad(held, -load, current_);
  FillIdeal(held, load);
  Objective best = Value(held, load, current_);
  bool improved = false;
  for (int entries = 1; entries <= max_entries_; ++entries) {
    RoundIdeal(entries);
    if (trial_.empty()) continue;
    const Objective objective = Value(held, load, trial_);
    if (!objective.Improves(best)) continue;
    best = objective;
    current_ = trial_;
    improved = true;
  }
  for (std::size_t i = 0; i < held.size(); ++i) count_[Index(held[i])] = current_[i];
  AddLoad(held, load, current_);
  return improved;
}

void EntryCounts::FillIdeal(std::span<const std::int32_t> slots, double load) {
  // Water-filling: level T with sum of speed (T - carried)+ = load, over GPUs in ascending order of what they carry.
  by_remainder_.resize(slots.size());
  std::iota(by_remainder_.begin(), by_remainder_.end(), 0);
  const auto gpu = [&](std::int32_t i) { return topology_.gpu_of_slot(slots[Index(i)]); };
  std::ranges::stable_sort(by_remainder_, std::less<>(), [&](std::int32_t i) { return gpu_load_[Index(gpu(i))]; });
  double speed = 0;
  double carried = 0;
  double level = 0;
  for (std::size_t i = 0; i < by_remainder_.size(); ++i) {
    const int next = gpu(by_remainder_[i]);
    if (i > 0 && gpu_load_[Index(next)] >= level) break;
    speed += topology_.speed(next);
    carried += gpu_load_[Index(next)] * topology_.speed(next);
    level = (load + carried) / speed;
  }
  ideal_.assign(slots.size(), 0.0);
  double sum = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const int on = topology_.gpu_of_slot(slots[i]);
    ideal_[i] = std::max(0.0, level - gpu_load_[Index(on)]) * topology_.speed(on);
    sum += ideal_[i];
  }
  for (double& share : ideal_) share /= sum;
}

void EntryCounts::RoundIdeal(int entries) {
  trial_.assign(ideal_.size(), 0);
  by_remainder_.clear();
  int left = entries;
  for (std::size_t i = 0; i < ideal_.size(); ++i) {
    const double exact = ideal_[i] * entries;
    const int least = ideal_[i] * 2 * max_entries_ < 1 ? 0 : 1;
    trial_[i] = std::max(least, static_cast<int>(std::floor(exact)));
    left -= trial_[i];
    by_remainder_.push_back(static_cast<std::int32_t>(i));
  }
  const auto remainder = [&](std::int32_t i) { return ideal_[Index(i)] * entries - trial_[Index(i)]; };
  // One entry for each replica may have taken too many: give back where that is nearest to the ideal.
  for (; left < 0; ++left) {
    std::int32_t victim = -1;
    for (const std::int32_t i : by_remainder_) {
      if (trial_[Index(i)] > 1 && (victim < 0 || remainder(i) < remainder(victim))) victim = i;
    }
    if (victim < 0) {
      trial_.clear();
      return;
    }
    --trial_[Index(victim)];
  }
  for (; left > 0; --left) ++trial_[Index(*std::ranges::max_element(by_remainder_, {}, remainder))];
}

EntryCounts::Objective EntryCounts::Value(std::span<const std::int32_t> slots, double load,
                                          std::span<const std::int32_t> counts) const {
  Objective objective{.entries = std::accumulate(counts.begin(), counts.end(), 0)};
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const int gpu = topology_.gpu_of_slot(slots[i]);
    const double on_gpu = gpu_load_[Index(gpu)] + load * counts[i] / objective.entries / topology_.speed(gpu);
    objective.max = std::max(objective.max, on_gpu);
    objective.squares += on_gpu * on_gpu * topology_.speed(gpu);
  }
  return objective;
}

std::vector<std::vector<std::int32_t>> RepeatedEntries(std::span<const std::int32_t> slots,
                                                       std::span<const std::int32_t> count, int num_experts) {
  std::vector<std::vector<std::int32_t>> entries = LogicalToPhysical(slots, num_experts);
  for (std::vector<std::int32_t>& held : entries) {
    int total = 0;
    for (const std::int32_t slot : held) total += count[Index(slot)];
    std::vector<int> credit(held.size(), 0);
    std::vector<std::int32_t> spread;
    for (int entry = 0; entry < total; ++entry) {
      for (std::size_t i = 0; i < held.size(); ++i) credit[i] += count[Index(held[i])];
      const auto next = std::ranges::max_element(credit);
      *next -= total;
      spread.push_back(held[Index(next - credit.begin())]);
    }
    held = std::move(spread);
  }
  return entries;
}

}  // namespace eplb
