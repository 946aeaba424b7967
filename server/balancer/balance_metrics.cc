#include "server/balancer/balance_metrics.h"

#include <algorithm>
#include <utility>

#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {
namespace {

std::span<const std::int32_t> SlotsOn(std::span<const std::int32_t> slots, const Topology& topology, int gpu) {
  return slots.subspan(Index(topology.first_slot(gpu)), Index(topology.slots_on(gpu)));
}

// Which GPU an expert was last seen on, GPU by GPU.
class LastSeen {
 public:
  // Of experts in the slots.
  explicit LastSeen(std::span<const std::int32_t> slots)
      : gpu_(slots.empty() ? 0 : Index(*std::ranges::max_element(slots) + 1), -1) {}

  bool On(int gpu, std::int32_t expert) const { return Index(expert) < gpu_.size() && gpu_[Index(expert)] == gpu; }
  // False where it was on the GPU before.
  bool Add(int gpu, std::int32_t expert) { return std::exchange(gpu_[Index(expert)], gpu) != gpu; }

 private:
  std::vector<int> gpu_;  // [experts]
};

}  // namespace

BalanceMeter::BalanceMeter(const Topology& topology)
    : topology_(topology), gpu_load_(static_cast<std::size_t>(topology.num_gpus())) {
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (!topology.excluded(gpu)) usable_speed_ += topology.speed(gpu);
  }
}

LayerBalance BalanceMeter::Measure(std::span<const std::int32_t> slots, std::span<const double> loads) {
  return Measure(slots, loads, {});
}

LayerBalance BalanceMeter::Measure(std::span<const std::int32_t> slots, std::span<const double> loads,
                                   std::span<const double> slot_shares) {
  EPLB_CHECK(slots.size() == Index(topology_.num_slots()));
  if (slot_shares.empty()) return MeasureParts(slots, loads, [](int) { return 1.0; });
  return MeasureParts(slots, loads, [slot_shares](int slot) { return slot_shares[Index(slot)]; });
}

template <typename Part>
LayerBalance BalanceMeter::MeasureParts(std::span<const std::int32_t> slots, std::span<const double> loads,
                                        const Part& part) {
  share_.assign(loads.size(), 0.0);
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    if (topology_.excluded(gpu)) continue;
    const int end = topology_.first_slot(gpu + 1);
    for (int slot = topology_.first_slot(gpu); slot < end; ++slot) {
      const std::int32_t expert = slots[Index(slot)];
      if (expert != kEmptySlot) share_[Index(expert)] += part(slot);
    }
  }
  double total = 0;
  for (std::size_t expert = 0; expert < loads.size(); ++expert) {
    total += loads[expert];
    if (share_[expert] > 0) share_[expert] = loads[expert] / share_[expert];
  }
  LayerBalance balance{.mean = total / usable_speed_, .max = 0};
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    double load = 0;
    if (!topology_.excluded(gpu)) {
      const int end = topology_.first_slot(gpu + 1);
      for (int slot = topology_.first_slot(gpu); slot < end; ++slot) {
        const std::int32_t expert = slots[Index(slot)];
        if (expert != kEmptySlot) load += part(slot) * share_[Index(expert)];
      }
      load /= topology_.speed(gpu);
    }
    gpu_load_[Index(gpu)] = load;
    balance.max = std::max(balance.max, load);
  }
  return balance;
}

std::vector<LayerBalance> MeasureBalance(const Placement& placement, const LoadMatrix& loads, const Topology& topology,
                                         std::span<const double> slot_shares) {
  EPLB_CHECK(placement.num_layers() == loads.num_layers() && placement.num_experts() == loads.num_experts());
  BalanceMeter meter(topology);
  std::vector<LayerBalance> layers;
  layers.reserve(static_cast<std::size_t>(placement.num_layers()));
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const std::span<const double> shares = LayerShares(slot_shares, layer, placement.num_slots());
    layers.push_back(meter.Measure(placement.layer(layer), loads.layer(layer), shares));
  }
  return layers;
}

std::span<const double> LayerShares(std::span<const double> slot_shares, int layer, int num_slots) {
  if (slot_shares.empty()) return {};
  const auto width = static_cast<std::size_t>(num_slots);
  return slot_shares.subspan(static_cast<std::size_t>(layer) * width, width);
}

double MeanBalancedness(std::span<const LayerBalance> layers) {
  if (layers.empty()) return 1.0;
  double sum = 0;
  for (const LayerBalance& layer : layers) sum += layer.balancedness();
  return sum / static_cast<double>(layers.size());
}

double WorstBalancedness(std::span<const LayerBalance> layers) {
  double worst = 1.0;
  for (const LayerBalance& layer : layers) worst = std::min(worst, layer.balancedness());
  return worst;
}

double StepTime(std::span<const LayerBalance> layers) {
  double max = 0;
  double mean = 0;
  for (const LayerBalance& layer : layers) {
    max += layer.max;
    mean += layer.mean;
  }
  return StepTime(max, mean);
}

double StepTime(double max_sum, double mean_sum) { return max_sum > mean_sum ? max_sum / mean_sum : 1.0; }

int CountTwins(std::span<const std::int32_t> slots, const Topology& topology) {
  LastSeen seen(slots);
  int twins = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    for (const std::int32_t expert : SlotsOn(slots, topology, gpu)) {
      if (expert != kEmptySlot) twins += !seen.Add(gpu, expert);
    }
  }
  return twins;
}

int CountFetches(std::span<const std::int32_t> before, std::span<const std::int32_t> after, const Topology& topology) {
  LastSeen old_experts(before);
  LastSeen new_experts(after);
  int fetches = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    for (const std::int32_t expert : SlotsOn(before, topology, gpu)) {
      if (expert != kEmptySlot) old_experts.Add(gpu, expert);
    }
    for (const std::int32_t expert : SlotsOn(after, topology, gpu)) {
      if (expert != kEmptySlot && new_experts.Add(gpu, expert)) fetches += !old_experts.On(gpu, expert);
    }
  }
  return fetches;
}

}  // namespace eplb
