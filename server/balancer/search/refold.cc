#include "server/balancer/search/refold.h"

#include <algorithm>
#include <utility>

namespace eplb {
namespace {

// A refold of one GPU costs about as much time as this many evaluated exchanges.
constexpr int kMovesPerGpu = 64;

}  // namespace

// Moves each lot to the front of its GPU's slots.
void Refold::DrawLots(std::span<const std::int32_t> members, int lot_size, PseudoRandom* random,
                      ReplicaLayout* layout) {
  const int count = static_cast<int>(members.size());
  lot_.Resize(count);
  left_.Resize(count);
  double fastest = 0;
  for (const std::int32_t gpu : members) fastest = std::max(fastest, layout->speed[gpu]);
  // Copies in registers, as the compiler cannot know that what is written below does not change them.
  std::int32_t* experts = layout->expert_in.data();
  float* loads = layout->slot_load.data();
  PseudoRandom drawing = *random;
  for (int i = 0; i < count; ++i) {
    const std::int32_t gpu = members[static_cast<std::size_t>(i)];
    const int first = layout->first_slot[gpu];
    const int slots = layout->slots_on(gpu);
    float lot = 0;
    for (int drawn = 0; drawn < lot_size; ++drawn) {
      const int slot = first + drawn;
      const int pick = slot + drawing.Below(slots - drawn);
      std::swap(experts[slot], experts[pick]);
      const float load = loads[pick];
      loads[pick] = loads[slot];
      loads[slot] = load;
      lot += load;
    }
    lot_[i] = lot;
    const double left = layout->gpu_load[gpu] - lot + (fastest - layout->speed[gpu]);
    left_[i] = std::max(0.0F, static_cast<float>(left));
  }
  *random = drawing;
}

void Refold::MatchLots(std::span<const std::int32_t> members) {
  const int count = static_cast<int>(members.size());
  receivers_.Resize(count);
  givers_.Resize(count);
  received_.Resize(count);
  kept_.Resize(count);
  int next = 0;
  for (const std::int32_t i : order_.Sort(left_.span())) {
    receivers_[next] = members[static_cast<std::size_t>(i)];
    kept_[next++] = lot_[i];
  }
  next = count;
  for (const std::int32_t i : order_.Sort(lot_.span())) {
    givers_[--next] = members[static_cast<std::size_t>(i)];
    received_[next] = lot_[i];
  }
}

bool Refold::Fits(int giver, int receiver, int lot_size, const ReplicaLayout& layout) const {
  if (giver == receiver) return true;
  const int first = layout.first_slot[giver];
  for (int slot = first; slot < first + lot_size; ++slot) {
    const std::int32_t expert = layout.expert_in[slot];
    if (layout.replicas[expert] == 1) continue;
    for (int kept = layout.first_slot[receiver] + lot_size; kept < layout.first_slot[receiver + 1]; ++kept) {
      if (layout.expert_in[kept] == expert) return false;
    }
  }
  return true;
}

// Exchanges lots between neighbours in the order where one would make a twin.
bool Refold::AvoidTwins(int lot_size, const ReplicaLayout& layout) {
  constexpr int kReach = 4;
  const int count = receivers_.size();
  for (int i = 0; i < count; ++i) {
    if (Fits(givers_[i], receivers_[i], lot_size, layout)) continue;
    bool found = false;
    for (int step = 1; step <= kReach && !found; ++step) {
      for (const int other : {i + step, i - step}) {
        if (other < 0 || other >= count || !Fits(givers_[other], receivers_[i], lot_size, layout)) continue;
        // A later neighbour is checked in its turn.
        if (other < i && !Fits(givers_[i], receivers_[other], lot_size, layout)) continue;
        std::swap(givers_[i], givers_[other]);
        std::swap(received_[i], received_[other]);
        found = true;
        break;
      }
    }
    if (!found) return false;
  }
  return true;
}

bool Refold::Improves(const ReplicaLayout& layout) {
  double before = 0;
  double after = 0;
  const int count = receivers_.size();
  new_load_.Resize(count);
  for (int i = 0; i < count; ++i) {
    const std::int32_t gpu = receivers_[i];
    new_load_[i] = layout.gpu_load[gpu] + (static_cast<double>(received_[i]) - kept_[i]);
    before = std::max(before, layout.LoadPerSpeed(gpu));
    after = std::max(after, layout.unit_speeds ? new_load_[i] : new_load_[i] / layout.speed[gpu]);
  }
  return after < before || (after == before && LowersSquares(layout));
}

bool Refold::LowersSquares(const ReplicaLayout& layout) const {
  double squares_before = 0;
  double squares_after = 0;
  for (int i = 0; i < receivers_.size(); ++i) {
    const std::int32_t gpu = receivers_[i];
    const double load_before = layout.LoadPerSpeed(gpu);
    const double load_after = new_load_[i] / layout.speed[gpu];
    squares_before += load_before * load_before;
    squares_after += load_after * load_after;
  }
  return squares_after < squares_before;
}

void Refold::Deal(int lot_size, ReplicaLayout* layout) {
  const int count = receivers_.size();
  moved_.Resize(count * lot_size);
  for (int i = 0; i < count; ++i) {
    const int from = layout->first_slot[givers_[i]];
    for (int k = 0; k < lot_size; ++k) moved_[i * lot_size + k] = layout->expert_in[from + k];
  }
  for (int i = 0; i < count; ++i) {
    const int to = layout->first_slot[receivers_[i]];
    for (int k = 0; k < lot_size; ++k) layout->Put(to + k, moved_[i * lot_size + k]);
    layout->gpu_load[receivers_[i]] = new_load_[i];
  }
}

bool Refold::Round(std::span<const std::int32_t> members, int lot_size, PseudoRandom* random, WorkMeter* work,
                   ReplicaLayout* layout) {
  work->Charge(std::int64_t{kMovesPerGpu} * static_cast<int>(members.size()));
  DrawLots(members, lot_size, random, layout);
  MatchLots(members);
  if (!AvoidTwins(lot_size, *layout) || !Improves(*layout)) return false;
  Deal(lot_size, layout);
  return true;
}

}  // namespace eplb
