#include "server/balancer/migration/slot_arrangement.h"

#include <algorithm>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {

SlotArrangement::SlotArrangement(const Topology& topology, int num_experts)
    : topology_(topology), wanted_(Index(num_experts), 0) {}

void SlotArrangement::Run(std::span<const std::int32_t> current, std::span<const std::int32_t> planned,
                          std::span<std::int32_t> arranged) {
  const std::size_t num_slots = Index(topology_.num_slots());
  EPLB_CHECK(current.size() == num_slots && planned.size() == num_slots && arranged.size() == num_slots);
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    const std::size_t first = Index(topology_.first_slot(gpu));
    const std::size_t count = Index(topology_.slots_on(gpu));
    planned_.assign(planned.begin() + static_cast<std::ptrdiff_t>(first),
                    planned.begin() + static_cast<std::ptrdiff_t>(first + count));
    ArrangeGpu(current.subspan(first, count), arranged.subspan(first, count));
  }
}

void SlotArrangement::ArrangeGpu(std::span<const std::int32_t> current, std::span<std::int32_t> arranged) {
  std::erase(planned_, kEmptySlot);
  for (const std::int32_t expert : planned_) ++wanted_[Index(expert)];
  for (std::size_t slot = 0; slot < current.size(); ++slot) {
    const std::int32_t expert = current[slot];
    const bool stays = expert != kEmptySlot && wanted_[Index(expert)] > 0;
    arranged[slot] = stays ? expert : kEmptySlot;
    if (stays) --wanted_[Index(expert)];
  }
  free_.clear();
  for (const bool empty_now : {true, false}) {
    for (std::size_t slot = 0; slot < current.size(); ++slot) {
      if (arranged[slot] == kEmptySlot && (current[slot] == kEmptySlot) == empty_now) {
        free_.push_back(static_cast<std::int32_t>(slot));
      }
    }
  }
  auto next_free = free_.begin();
  for (const std::int32_t expert : planned_) {
    if (wanted_[Index(expert)] == 0) continue;
    --wanted_[Index(expert)];
    arranged[Index(*next_free++)] = expert;
  }
}

}  // namespace eplb
