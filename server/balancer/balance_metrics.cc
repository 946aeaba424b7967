#include "server/balancer/balance_metrics.h"

#include <algorithm>
#include <numeric>

#include "server/base/check.h"

namespace eplb {
namespace {

// The experts on one GPU in one layer, each once, ascending.
void DistinctExperts(std::span<const std::int32_t> slots, const Topology& topology, int gpu,
                     std::vector<std::int32_t>& experts) {
  const auto first = slots.begin() + topology.first_slot(gpu);
  experts.assign(first, first + topology.slots_on(gpu));
  std::erase(experts, kEmptySlot);
  std::ranges::sort(experts);
  experts.erase(std::unique(experts.begin(), experts.end()), experts.end());
}

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
  EPLB_CHECK(slots.size() == static_cast<std::size_t>(topology_.num_slots()));
  const auto part = [&](int slot) { return slot_shares.empty() ? 1.0 : slot_shares[static_cast<std::size_t>(slot)]; };
  share_.assign(loads.size(), 0.0);
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    if (topology_.excluded(gpu)) continue;
    for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = slots[static_cast<std::size_t>(slot)];
      if (expert != kEmptySlot) share_[static_cast<std::size_t>(expert)] += part(slot);
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
      for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
        const std::int32_t expert = slots[static_cast<std::size_t>(slot)];
        if (expert != kEmptySlot) load += part(slot) * share_[static_cast<std::size_t>(expert)];
      }
      load /= topology_.speed(gpu);
    }
    gpu_load_[static_cast<std::size_t>(gpu)] = load;
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
  return mean > 0 ? max / mean : 1.0;
}

int CountTwins(std::span<const std::int32_t> slots, const Topology& topology) {
  std::vector<std::int32_t> experts;
  int twins = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    const auto first = slots.begin() + topology.first_slot(gpu);
    const auto used = topology.slots_on(gpu) - std::count(first, first + topology.slots_on(gpu), kEmptySlot);
    DistinctExperts(slots, topology, gpu, experts);
    twins += static_cast<int>(used) - static_cast<int>(experts.size());
  }
  return twins;
}

int CountFetches(std::span<const std::int32_t> before, std::span<const std::int32_t> after, const Topology& topology) {
  std::vector<std::int32_t> old_experts;
  std::vector<std::int32_t> new_experts;
  int fetches = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    DistinctExperts(before, topology, gpu, old_experts);
    DistinctExperts(after, topology, gpu, new_experts);
    for (const std::int32_t expert : new_experts) fetches += !std::ranges::binary_search(old_experts, expert);
  }
  return fetches;
}

}  // namespace eplb
