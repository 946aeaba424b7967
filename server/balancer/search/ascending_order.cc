#include "server/balancer/search/ascending_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "server/balancer/search/sorting_network.h"

namespace eplb {
namespace {

constexpr std::int32_t kIndexMask = kMostSortedKeys - 1;
constexpr unsigned kKeyBits = 22;
// Up to so many, three passes with few buckets take less than two with many, which must all be cleared and summed up.
constexpr std::size_t kMaxFewBuckets = 1536;

}  // namespace

template <unsigned kDigitBits>
void AscendingOrder::SortByRadix(std::span<const float> values) {
  constexpr std::size_t kDigits = (kKeyBits + kDigitBits - 1) / kDigitBits;
  constexpr std::size_t kBuckets = 1U << kDigitBits;
  constexpr std::uint32_t kMaxKey = (1U << kKeyBits) - 1;
  const int count = static_cast<int>(values.size());
  entries_.Resize(count);
  swap_.Resize(count);
  const auto [lowest, highest] = std::ranges::minmax(values);
  const float scale = highest > lowest ? static_cast<float>(kMaxKey) / (highest - lowest) : 0.0F;
  const auto digit = [](std::uint64_t entry, std::size_t index) {
    return (entry >> (32 + index * kDigitBits)) % kBuckets;
  };
  std::array<std::array<std::uint32_t, kBuckets>, kDigits> buckets{};
  for (int i = 0; i < count; ++i) {
    const float offset = (values[static_cast<std::size_t>(i)] - lowest) * scale;
    const std::uint32_t key = std::min(static_cast<std::uint32_t>(offset), kMaxKey);
    entries_[i] = (static_cast<std::uint64_t>(key) << 32) | static_cast<std::uint32_t>(i);
    for (std::size_t index = 0; index < kDigits; ++index) ++buckets[index][digit(entries_[i], index)];
  }
  for (std::size_t index = 0; index < kDigits; ++index) {
    std::array<std::uint32_t, kBuckets>& first = buckets[index];
    std::uint32_t offset = 0;
    for (std::uint32_t& bucket : first) offset += std::exchange(bucket, offset);
    for (const std::uint64_t entry : entries_) swap_.data()[first[digit(entry, index)]++] = entry;
    std::swap(entries_, swap_);
  }
  for (int i = 0; i < count; ++i) order_[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(entries_[i]));
}

std::span<const std::int32_t> AscendingOrder::Sort(std::span<const float> values) {
  order_.Resize(static_cast<int>(values.size()));
  if (values.size() <= static_cast<std::size_t>(kMostSortedKeys)) {
    SortByKeys(values);
  } else if (values.size() <= kMaxFewBuckets) {
    SortByRadix<8>(values);
  } else {
    SortByRadix<11>(values);
  }
  return order_.span();
}

void AscendingOrder::SortByKeys(std::span<const float> values) {
  const int count = static_cast<int>(values.size());
  keys_.Resize(count);
  std::int32_t* keys = keys_.data();
  // The bits of a float >= 0 order as the float does; the lowest give way to the index, which makes keys distinct.
  for (int i = 0; i < count; ++i) {
    keys[i] = (std::bit_cast<std::int32_t>(values[static_cast<std::size_t>(i)]) & ~kIndexMask) | i;
  }
  SortKeys(count, keys);
  for (int i = 0; i < count; ++i) order_[i] = keys[i] & kIndexMask;
}

}  // namespace eplb
