#include "server/balancer/search/exchange_scan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "server/balancer/search/nearest_target.h"

namespace eplb {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Slots that are written at once: a vector register full.
constexpr int kBlock = 4;
using Block = float __attribute__((vector_size(kBlock * sizeof(float))));
// Slots among which the partner is looked for one by one.
constexpr int kStretch = 64;

}  // namespace

bool MayExchange(int slot, int partner, const ReplicaLayout& layout) {
  const std::int32_t given = layout.expert_in[slot];
  const std::int32_t taken = layout.expert_in[partner];
  return given != taken && (layout.replicas[given] == 1 || !layout.Holds(layout.gpu_of[partner], given)) &&
         (layout.replicas[taken] == 1 || !layout.Holds(layout.gpu_of[slot], taken));
}

void ExchangeScan::SetTargets(int gpu, std::span<const std::int32_t> barred, const ReplicaLayout& layout) {
  base_.Resize(layout.num_slots);
  target_.Resize(layout.num_slots);
  handicap_.Resize(layout.num_gpus);
  shift_.Resize(layout.num_gpus);
  const double load = layout.gpu_load[gpu];
  const double* gpu_load = layout.gpu_load.data();
  for (int other = 0; other < layout.num_gpus; ++other) {
    handicap_[other] = static_cast<float>((load + gpu_load[other]) / 2);
    shift_[other] = static_cast<float>((load - gpu_load[other]) / 2);
  }
  const float* slot_load = layout.slot_load.data();
  int slot = 0;
  for (int other = 0; other < layout.num_gpus; ++other) {
    const int end = layout.first_slot[other + 1];
    const float base = handicap_[other];
    const Block bases = {base, base, base, base};
    // In blocks, the last of which reaches into the slots of the next GPU, which are written after it.
    for (; slot < end && slot + kBlock <= layout.num_slots; slot += kBlock) {
      Block targets;
      std::memcpy(&targets, slot_load + slot, sizeof(targets));
      targets += shift_[other];
      std::memcpy(base_.data() + slot, &bases, sizeof(bases));
      std::memcpy(target_.data() + slot, &targets, sizeof(targets));
    }
    for (; slot < end; ++slot) {
      base_[slot] = base;
      target_[slot] = slot_load[slot] + shift_[other];
    }
    slot = end;
  }
  const auto bar = [&](int other) {
    std::fill(base_.begin() + layout.first_slot[other], base_.begin() + layout.first_slot[other + 1], kInfinity);
  };
  bar(gpu);
  for (const std::int32_t other : barred) bar(other);
}

Exchange ExchangeScan::BestWithTwins(int gpu, const ReplicaLayout& layout) const {
  Exchange best{.peak = kInfinity};
  for (int slot = layout.first_slot[gpu]; slot < layout.first_slot[gpu + 1]; ++slot) {
    const float peak = LeastDistance(base_.data(), target_.data(), layout.num_slots, layout.slot_load[slot]);
    if (peak < best.peak) best = {peak, slot, -1};
  }
  if (!best.exists()) return best;
  const float value = layout.slot_load[best.slot];
  int partner = 0;
  while (partner + kStretch < layout.num_slots &&
         LeastDistance(base_.data() + partner, target_.data() + partner, kStretch, value) > best.peak) {
    partner += kStretch;
  }
  while (base_[partner] + std::abs(value - target_[partner]) > best.peak) ++partner;
  best.partner = partner;
  return best;
}

Exchange ExchangeScan::BestWithoutTwins(int gpu, float limit, const ReplicaLayout& layout) const {
  Exchange best{.peak = limit};
  for (int slot = layout.first_slot[gpu]; slot < layout.first_slot[gpu + 1]; ++slot) {
    const float value = layout.slot_load[slot];
    for (int partner = 0; partner < layout.num_slots; ++partner) {
      const float peak = base_[partner] + std::abs(value - target_[partner]);
      if (peak < best.peak && MayExchange(slot, partner, layout)) best = {peak, slot, partner};
    }
  }
  return best;
}

Exchange ExchangeScan::BestWithSpeeds(int gpu, std::span<const std::int32_t> barred, float limit,
                                      const ReplicaLayout& layout) const {
  Exchange best{.peak = limit};
  const double load = layout.gpu_load[gpu];
  for (int other = 0; other < layout.num_gpus; ++other) {
    if (other == gpu || std::ranges::find(barred, other) != barred.end()) continue;
    for (int slot = layout.first_slot[gpu]; slot < layout.first_slot[gpu + 1]; ++slot) {
      for (int partner = layout.first_slot[other]; partner < layout.first_slot[other + 1]; ++partner) {
        const double moved = static_cast<double>(layout.slot_load[slot]) - layout.slot_load[partner];
        const auto peak = static_cast<float>(
            std::max((load - moved) / layout.speed[gpu], (layout.gpu_load[other] + moved) / layout.speed[other]));
        if (peak < best.peak && MayExchange(slot, partner, layout)) best = {peak, slot, partner};
      }
    }
  }
  return best;
}

Exchange ExchangeScan::Best(int gpu, std::span<const std::int32_t> barred, double limit, WorkMeter* work,
                            const ReplicaLayout& layout) {
  work->Charge(std::int64_t{layout.slots_on(gpu)} * layout.num_slots);
  if (!layout.equal_speeds) return BestWithSpeeds(gpu, barred, static_cast<float>(limit), layout);
  // In loads, not loads per speed.
  const auto load_limit = static_cast<float>(limit * layout.speed[gpu]);
  SetTargets(gpu, barred, layout);
  Exchange best = BestWithTwins(gpu, layout);
  if (!best.exists() || best.peak >= load_limit) return {};
  if (!MayExchange(best.slot, best.partner, layout)) best = BestWithoutTwins(gpu, load_limit, layout);
  best.peak = static_cast<float>(best.peak / layout.speed[gpu]);
  return best;
}

}  // namespace eplb
