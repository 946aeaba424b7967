#include "server/balancer/migration/cycle_cutter.h"

#include <algorithm>

#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {

CycleCutter::CycleCutter(const Topology& topology) : topology_(topology), on_gpu_(Index(topology.num_gpus()), 0) {}

std::int32_t CycleCutter::GpuAt(std::size_t position) const {
  return topology_.gpu_of_slot(cycle_[position % cycle_.size()]);
}

bool CycleCutter::Run(std::span<const std::int32_t> slots, int max_per_gpu) {
  EPLB_CHECK(slots.size() >= 2);
  cycle_.assign(slots.begin(), slots.end());
  writes_.clear();
  first_of_step_.assign(1, 0);
  while (cycle_.size() > 1) {
    Segment segment{.start = 0, .size = cycle_.size()};
    if (max_per_gpu > 0 && !WholeFits(max_per_gpu)) segment = FindSegment(max_per_gpu);
    if (segment.size == 0) return false;
    Apply(segment);
  }
  return true;
}

bool CycleCutter::WholeFits(std::int32_t max_per_gpu) {
  bool fits = true;
  for (std::size_t i = 0; i < cycle_.size(); ++i) fits &= ++on_gpu_[Index(GpuAt(i))] <= max_per_gpu;
  for (std::size_t i = 0; i < cycle_.size(); ++i) on_gpu_[Index(GpuAt(i))] = 0;
  return fits;
}

CycleCutter::Segment CycleCutter::FindSegment(std::int32_t max_per_gpu) {
  const std::size_t size = cycle_.size();
  same_gpu_.assign(size, 1);
  for (std::size_t i = 2 * size - 1; i-- > 0;) {
    const bool same = GpuAt(i) == GpuAt(i + 1);
    same_gpu_[i % size] = same ? std::min(size, same_gpu_[(i + 1) % size] + 1) : 1;
  }
  Segment best;
  std::size_t end = 0;  // of the window, not taken modulo the size; it only moves on
  for (std::size_t start = 0; start < size; ++start) {
    for (end = std::max(end, start); end < start + size && on_gpu_[Index(GpuAt(end))] < max_per_gpu; ++end) {
      ++on_gpu_[Index(GpuAt(end))];
    }
    for (std::size_t length = end - start; length >= 2 && length > best.size; --length) {
      const std::size_t left = size - length + 1;
      const bool left_on_one_gpu = same_gpu_[(start + length - 1) % size] >= left;
      if (left > 1 && left_on_one_gpu && max_per_gpu == 1) continue;
      best = {.start = start, .size = length};
      break;
    }
    if (end > start) --on_gpu_[Index(GpuAt(start))];
  }
  std::ranges::fill(on_gpu_, 0);
  return best;
}

void CycleCutter::Apply(const Segment& segment) {
  // Turned so that the segment comes first.
  std::rotate(cycle_.begin(), cycle_.begin() + static_cast<std::ptrdiff_t>(segment.start), cycle_.end());
  for (std::size_t i = 0; i < segment.size; ++i) {
    writes_.push_back({.target_slot = cycle_[i], .source_slot = cycle_[(i + 1) % segment.size]});
  }
  first_of_step_.push_back(static_cast<std::int32_t>(writes_.size()));
  cycle_.erase(cycle_.begin(), cycle_.begin() + static_cast<std::ptrdiff_t>(segment.size - 1));
}

}  // namespace eplb
