#include "server/balancer/search/count_enumeration.h"

#include <algorithm>
#include <cmath>

namespace eplb {
namespace {

// min(limit + 1, number of ways to spread `items` over `bins`), disregarding that bins have a most.
std::int64_t WaysToSpread(int items, int bins, std::int64_t limit) {
  // C(items + bins - 1, items), built so that every step is exact.
  std::int64_t ways = 1;
  for (int i = 1; i <= items; ++i) {
    ways = ways * (bins - 1 + i) / i;
    if (ways > limit) return limit + 1;
  }
  return ways;
}

}  // namespace

std::int64_t CountEnumeration::Start(int min_replicas, double max_load, std::int64_t max_sets,
                                     const ReplicaLayout& layout) {
  least_.Resize(layout.num_experts);
  most_ = layout.num_gpus;
  spare_ = layout.num_slots;
  started_ = false;
  done_ = true;
  for (int expert = 0; expert < layout.num_experts; ++expert) {
    const double needed = std::ceil(layout.load[expert] / max_load);
    if (needed > most_) return 0;
    least_[expert] = std::max(min_replicas, static_cast<int>(needed));
    spare_ -= least_[expert];
  }
  if (spare_ < 0) return 0;
  done_ = false;
  return WaysToSpread(spare_, layout.num_experts, max_sets);
}

const FlatArray<std::int32_t>* CountEnumeration::Next() {
  if (done_) return nullptr;
  const int last = least_.size() - 1;
  while (true) {
    if (!started_) {
      started_ = true;
      counts_ = least_;
      counts_[last] += spare_;
    } else {
      // Like an odometer of fixed sum: one moves from the last non-empty place to the place before it, the rest of
      // that place goes to the end.
      int place = last;
      while (place > 0 && counts_[place] == least_[place]) --place;
      if (place == 0) {
        done_ = true;
        return nullptr;
      }
      const int rest = counts_[place] - least_[place] - 1;
      counts_[place] = least_[place];
      ++counts_[place - 1];
      counts_[last] += rest;
    }
    if (std::ranges::all_of(counts_, [this](std::int32_t count) { return count <= most_; })) return &counts_;
  }
}

}  // namespace eplb
