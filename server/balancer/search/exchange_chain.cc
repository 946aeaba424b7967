#include "server/balancer/search/exchange_chain.h"

#include <limits>

namespace eplb {
namespace {

constexpr int kFirstLinks = 16;
constexpr int kMaxLinks = 6;

}  // namespace

// The first kFirstLinks that lower the hottest GPU. They are met in the order that settles ties, so each goes behind
// all that move as much, and once the list is full few are light enough to get into it.
int ExchangeChain::ListFirstLinks(int hottest, const ReplicaLayout& layout) {
  links_.Resize(kFirstLinks);
  const auto least = static_cast<float>(kLeastGain * layout.speed[hottest]);
  float most = std::numeric_limits<float>::infinity();
  int count = 0;
  for (int slot = layout.first_slot[hottest]; slot < layout.first_slot[hottest + 1]; ++slot) {
    const float value = layout.slot_load[slot];
    for (int partner = 0; partner < layout.num_slots; ++partner) {
      const float moved = value - layout.slot_load[partner];
      if (!(moved > least && moved < most) || layout.gpu_of[partner] == hottest) continue;
      int place = count < kFirstLinks ? count++ : kFirstLinks - 1;
      for (; place > 0 && links_[place - 1].moved > moved; --place) links_[place] = links_[place - 1];
      links_[place] = {moved, slot, partner};
      if (count == kFirstLinks) most = links_[kFirstLinks - 1].moved;
    }
  }
  return count;
}

bool ExchangeChain::Follow(const Link& first, double limit, WorkMeter* work, ReplicaLayout* layout) {
  trail_.Resize(kMaxLinks);
  settled_.Resize(kMaxLinks);
  trail_[0] = {.peak = 0, .slot = first.slot, .partner = first.partner};
  settled_[0] = layout->gpu_of[first.slot];
  int links = 1;
  layout->Exchange(first.slot, first.partner);
  int hot = layout->gpu_of[first.partner];
  while (links < kMaxLinks && !work->exhausted()) {
    const auto settled = settled_.span().first(static_cast<std::size_t>(links));
    const Exchange next = scan_.Best(hot, settled, std::numeric_limits<float>::max(), work, *layout);
    if (!next.exists()) break;
    layout->Exchange(next.slot, next.partner);
    if (next.peak < limit) return true;
    trail_[links] = next;
    const int other = layout->gpu_of[next.partner];
    const bool hot_settled = layout->LoadPerSpeed(hot) < limit;
    if (!hot_settled && layout->LoadPerSpeed(other) >= limit) {
      ++links;
      break;
    }
    settled_[links++] = hot_settled ? hot : other;
    if (hot_settled) hot = other;
  }
  while (links-- > 0) layout->Exchange(trail_[links].slot, trail_[links].partner);
  return false;
}

bool ExchangeChain::Run(WorkMeter* work, ReplicaLayout* layout) {
  const int hottest = layout->Hottest();
  const double limit = layout->LoadPerSpeed(hottest) - kLeastGain;
  work->Charge(std::int64_t{layout->slots_on(hottest)} * layout->num_slots);
  const int starts = ListFirstLinks(hottest, *layout);
  for (int start = 0; start < starts && !work->exhausted(); ++start) {
    const Link& link = links_[start];
    if (MayExchange(link.slot, link.partner, *layout) && Follow(link, limit, work, layout)) return true;
  }
  return false;
}

}  // namespace eplb
