#include "server/balancer/reference/descending_order.h"

#include <array>
#include <bit>
#include <utility>

namespace eplb {

std::uint32_t OrderedBits(float value) { return std::bit_cast<std::uint32_t>(value); }

std::span<const std::int32_t> DescendingOrder::Sort(std::span<const float> weights) {
  constexpr int kDigitBits = 8;
  constexpr std::size_t kDigits = 4;
  constexpr std::size_t kBuckets = 1U << kDigitBits;
  const std::size_t count = weights.size();
  entries_.resize(count);
  swap_.resize(count);
  order_.resize(count);

  // Complemented keys: ascending order of the complement is descending order of the weight, and the sort is stable,
  // so equal weights stay in the order of their indices.
  std::array<std::array<std::uint32_t, kBuckets>, kDigits> histogram{};
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t key = ~OrderedBits(weights[i]);
    entries_[i] = {key, static_cast<std::int32_t>(i)};
    for (std::size_t digit = 0; digit < kDigits; ++digit) {
      ++histogram[digit][(key >> (digit * kDigitBits)) & (kBuckets - 1)];
    }
  }
  for (std::size_t digit = 0; digit < kDigits; ++digit) {
    const std::size_t shift = digit * kDigitBits;
    if (count == 0 || histogram[digit][(entries_[0].key >> shift) & (kBuckets - 1)] == count) continue;
    std::uint32_t offset = 0;
    for (std::uint32_t& bucket : histogram[digit]) offset += std::exchange(bucket, offset);
    for (const Entry& entry : entries_) swap_[histogram[digit][(entry.key >> shift) & (kBuckets - 1)]++] = entry;
    entries_.swap(swap_);
  }
  for (std::size_t i = 0; i < count; ++i) order_[i] = entries_[i].index;
  return order_;
}

}  // namespace eplb
