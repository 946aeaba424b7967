#include "server/balancer/search/pair_exchange.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "server/balancer/search/exchange_scan.h"
#include "server/balancer/search/nearest_target.h"

namespace eplb {
namespace {

constexpr int kLeastSlots = 4;

}  // namespace

void PairExchange::List(int gpu, const ReplicaLayout& layout, Pairs* pairs) {
  const int slots = layout.slots_on(gpu);
  pairs->slots.Resize(slots * (slots - 1) / 2);
  pairs->loads.Resize(slots * (slots - 1) / 2);
  int count = 0;
  for (int first = layout.first_slot[gpu]; first < layout.first_slot[gpu + 1]; ++first) {
    for (int second = first + 1; second < layout.first_slot[gpu + 1]; ++second, ++count) {
      pairs->slots[count] = {first, second};
      pairs->loads[count] = layout.slot_load[first] + layout.slot_load[second];
    }
  }
}

bool PairExchange::MayExchangePairs(const Pair& given, const Pair& taken, const ReplicaLayout& layout) {
  return MayExchange(given.first, taken.first, layout) && MayExchange(given.second, taken.second, layout) &&
         MayExchange(given.first, taken.second, layout) && MayExchange(given.second, taken.first, layout);
}

bool PairExchange::RunWith(int gpu, int hottest, ReplicaLayout* layout) {
  const double hot_load = layout->gpu_load[hottest];
  const double cool_load = layout->gpu_load[gpu];
  const double hot_speed = layout->speed[hottest];
  const double cool_speed = layout->speed[gpu];
  // Moving `ideal` gives both the same load per speed, `level`; the peak stays below the maximum within `slack` of it.
  const double ideal = (hot_load * cool_speed - cool_load * hot_speed) / (hot_speed + cool_speed);
  const double level = (hot_load + cool_load) / (hot_speed + cool_speed);
  const double slack = (hot_load / hot_speed - kLeastGain - level) * std::min(hot_speed, cool_speed);
  if (slack <= 0) return false;
  List(gpu, *layout, &cool_);
  for (float& load : cool_.loads) load += static_cast<float>(ideal);
  no_handicap_.Assign(cool_.loads.size(), 0.0F);
  auto least = static_cast<float>(slack);
  Pair given{-1, -1};
  Pair taken{-1, -1};
  for (int i = 0; i < hot_.loads.size(); ++i) {
    const float load = hot_.loads[i];
    if (LeastDistance(no_handicap_.data(), cool_.loads.data(), cool_.loads.size(), load) >= least) continue;
    for (int j = 0; j < cool_.loads.size(); ++j) {
      const float distance = std::abs(load - cool_.loads[j]);
      if (distance >= least || !MayExchangePairs(hot_.slots[i], cool_.slots[j], *layout)) continue;
      least = distance;
      given = hot_.slots[i];
      taken = cool_.slots[j];
    }
  }
  if (given.first < 0) return false;
  layout->Exchange(given.first, taken.first);
  layout->Exchange(given.second, taken.second);
  return true;
}

// The coolest on top of a heap: mostly one of the first will do.
void PairExchange::OrderByLoad(const ReplicaLayout& layout) {
  by_load_.Resize(layout.num_gpus);
  for (int gpu = 0; gpu < layout.num_gpus; ++gpu) by_load_[gpu] = {layout.LoadPerSpeed(gpu), gpu};
  std::ranges::make_heap(by_load_, std::greater<>());
}

bool PairExchange::Run(WorkMeter* work, ReplicaLayout* layout) {
  const int hottest = layout->Hottest();
  if (layout->slots_on(hottest) < kLeastSlots) return false;
  List(hottest, *layout, &hot_);
  OrderByLoad(*layout);
  for (auto left = by_load_.end(); left != by_load_.begin(); --left) {
    std::ranges::pop_heap(by_load_.begin(), left, std::greater<>());
    const int gpu = std::prev(left)->second;
    if (gpu == hottest || work->exhausted()) break;
    const int slots = layout->slots_on(gpu);
    if (slots < 2) continue;
    work->Charge(std::int64_t{hot_.loads.size()} * (slots * (slots - 1) / 2));
    if (RunWith(gpu, hottest, layout)) return true;
  }
  return false;
}

}  // namespace eplb
