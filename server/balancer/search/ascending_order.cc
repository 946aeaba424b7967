#include "server/balancer/search/ascending_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace eplb {
namespace {

constexpr std::size_t kMaxRanked = 128;
constexpr std::int32_t kIndexMask = 127;

}  // namespace

std::span<const std::int32_t> AscendingOrder::Sort(std::span<const float> values) {
  order_.Resize(static_cast<int>(values.size()));
  if (values.size() <= kMaxRanked) {
    SortByRank(values);
  } else {
    SortByRadix(values);
  }
  return order_.span();
}

void AscendingOrder::SortByRank(std::span<const float> values) {
  const int count = static_cast<int>(values.size());
  keys_.Resize(count);
  std::int32_t* keys = keys_.data();
  // The bits of a float >= 0 order as the float does; the lowest give way to the index, which makes keys distinct.
  for (int i = 0; i < count; ++i) {
    keys[i] = (std::bit_cast<std::int32_t>(values[static_cast<std::size_t>(i)]) & ~kIndexMask) | i;
  }
  for (int i = 0; i < count; ++i) {
    const std::int32_t key = keys[i];
    std::int32_t rank = 0;
    for (int j = 0; j < count; ++j) rank += static_cast<std::int32_t>(keys[j] < key);
    order_[rank] = i;
  }
}

void AscendingOrder::SortByRadix(std::span<const float> values) {
  constexpr int kDigitBits = 11;
  constexpr std::uint32_t kBuckets = 1U << kDigitBits;
  const int count = static_cast<int>(values.size());
  entries_.Resize(count);
  swap_.Resize(count);
  const auto [lowest, highest] = std::ranges::minmax(values);
  const float scale = highest > lowest ? static_cast<float>(kBuckets * kBuckets - 1) / (highest - lowest) : 0.0F;
  std::array<std::uint32_t, kBuckets> low{};
  std::array<std::uint32_t, kBuckets> high{};
  for (int i = 0; i < count; ++i) {
    const float offset = (values[static_cast<std::size_t>(i)] - lowest) * scale;
    const std::uint32_t key = std::min(static_cast<std::uint32_t>(offset), kBuckets * kBuckets - 1);
    entries_[i] = (static_cast<std::uint64_t>(key) << 32) | static_cast<std::uint32_t>(i);
    ++low[key % kBuckets];
    ++high[key / kBuckets];
  }
  std::uint32_t low_offset = 0;
  std::uint32_t high_offset = 0;
  for (std::uint32_t& bucket : low) low_offset += std::exchange(bucket, low_offset);
  for (std::uint32_t& bucket : high) high_offset += std::exchange(bucket, high_offset);
  std::uint64_t* swap = swap_.data();
  for (const std::uint64_t entry : entries_) swap[low[(entry >> 32) % kBuckets]++] = entry;
  std::int32_t* order = order_.data();
  for (const std::uint64_t entry : swap_) {
    order[high[entry >> (32 + kDigitBits)]++] = static_cast<std::int32_t>(static_cast<std::uint32_t>(entry));
  }
}

}  // namespace eplb
