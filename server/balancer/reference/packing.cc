#include "server/balancer/reference/packing.h"

#include <numeric>

#include "server/balancer/reference/key_heap.h"
#include "server/base/check.h"

namespace eplb {
namespace {

// The lightest pack on top of a max-heap, the lowest pack among equals.
std::uint64_t HeapKey(float weight, std::uint32_t pack) {
  return ~((static_cast<std::uint64_t>(OrderedBits(weight)) << 32) | pack);
}

}  // namespace

void Packing::Run(std::span<const float> weights, int num_packs) {
  const auto packs = static_cast<std::size_t>(num_packs);
  EPLB_CHECK(num_packs >= 1 && weights.size() % packs == 0);
  const auto capacity = static_cast<std::int32_t>(weights.size() / packs);
  pack_of_.resize(weights.size());
  rank_of_.assign(weights.size(), 0);
  if (capacity == 1) {
    std::iota(pack_of_.begin(), pack_of_.end(), 0);
    return;
  }
  pack_weight_.assign(packs, 0.0F);
  pack_items_.assign(packs, 0);
  heap_.resize(packs);
  for (std::size_t pack = 0; pack < packs; ++pack) heap_[pack] = HeapKey(0.0F, static_cast<std::uint32_t>(pack));
  std::span<std::uint64_t> heap(heap_);  // already in order: ascending pack, equal weight
  for (const std::int32_t item : order_.Sort(weights)) {
    const auto pack = static_cast<std::uint32_t>(~heap[0]);
    pack_of_[static_cast<std::size_t>(item)] = static_cast<std::int32_t>(pack);
    rank_of_[static_cast<std::size_t>(item)] = pack_items_[pack]++;
    pack_weight_[pack] += weights[static_cast<std::size_t>(item)];
    if (pack_items_[pack] < capacity) {
      SiftDown(heap, 0, HeapKey(pack_weight_[pack], pack));
    } else {
      const std::uint64_t last = heap.back();
      heap = heap.first(heap.size() - 1);
      if (!heap.empty()) SiftDown(heap, 0, last);
    }
  }
}

}  // namespace eplb
