#include "server/balancer/incremental/hot_gpus.h"

namespace eplb {
namespace {

constexpr int kMaxHotGpus = 8;
constexpr double kCold = -1;  // below any heat

}  // namespace

HotGpus::HotGpus(const LayerSlots& slots, const LoadPotential& potential) : slots_(slots), potential_(potential) {
  const auto num_gpus = static_cast<std::size_t>(slots.topology().num_gpus());
  heat_.resize(num_gpus);
}

void HotGpus::Rank() {
  const Topology& topology = slots_.topology();
  const bool all_alike = potential_.num_samples() == 1 && topology.is_uniform();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    At(heat_, gpu) = all_alike ? potential_.term(gpu, 0) : HeatOf(gpu);
  }
  // Those that were hot come first, as most still are: then few others need a closer look. What is taken in so, or
  // never may be, is cold to the loop over all.
  found_.clear();
  for (const std::int32_t gpu : gpus_) TakeIn(gpu);
  FindCoolest();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (At(heat_, gpu) < least_heat_) continue;
    if (std::ssize(found_) < kMaxHotGpus) {
      TakeIn(gpu);
    } else if (const Found found{At(heat_, gpu), gpu}; found.IsHotterThan(found_[coolest_])) {
      found_[coolest_] = found;
    }
    FindCoolest();
  }
  // Each one's place is the number of those that are hotter: sorted without branches that are hard to foretell, and in
  // an order that does not depend on what was hot before.
  gpus_.resize(found_.size());
  for (const Found& found : found_) {
    std::size_t place = 0;
    for (const Found& other : found_) place += other.IsHotterThan(found);
    gpus_[place] = found.gpu;
  }
}

double HotGpus::HeatOf(int gpu) const {
  if (slots_.topology().excluded(gpu)) return kCold;
  return potential_.SumOverSamples([=, this](int k) { return potential_.term(gpu, k); }) / slots_.topology().speed(gpu);
}

inline void HotGpus::TakeIn(std::int32_t gpu) {
  found_.push_back({At(heat_, gpu), gpu});
  At(heat_, gpu) = kCold;
}

inline void HotGpus::FindCoolest() {
  coolest_ = 0;
  for (std::size_t i = 1; i < found_.size(); ++i) coolest_ = found_[coolest_].IsHotterThan(found_[i]) ? i : coolest_;
  least_heat_ = std::ssize(found_) < kMaxHotGpus ? 0.0 : found_[coolest_].heat;
}

}  // namespace eplb
