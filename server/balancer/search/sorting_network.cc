#include "server/balancer/search/sorting_network.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>

#include "server/base/check.h"
#include "server/base/index.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

namespace eplb {

#ifdef __SSE2__
namespace {

// Keys as floats: SSE2 has a minimum of floats, but none of 32-bit whole numbers.

void Compare(__m128& low, __m128& high) {
  const __m128 least = _mm_min_ps(low, high);
  high = _mm_max_ps(low, high);
  low = least;
}

__m128 Reversed(__m128 keys) { return _mm_shuffle_ps(keys, keys, _MM_SHUFFLE(0, 1, 2, 3)); }

// Sorts four vectors, each by itself, by sorting across them and transposing.
void SortWithinFour(__m128* keys) {
  Compare(keys[0], keys[1]);
  Compare(keys[2], keys[3]);
  Compare(keys[0], keys[2]);
  Compare(keys[1], keys[3]);
  Compare(keys[1], keys[2]);
  _MM_TRANSPOSE4_PS(keys[0], keys[1], keys[2], keys[3]);
}

// The last two steps of merges, between keys that are two apart and next to each other, in two vectors at once.
void MergeWithinTwo(__m128& left, __m128& right) {
  __m128 low = _mm_movelh_ps(left, right);
  __m128 high = _mm_movehl_ps(right, left);
  Compare(low, high);
  const __m128 lefts = _mm_unpacklo_ps(low, high);
  const __m128 rights = _mm_unpackhi_ps(low, high);
  low = _mm_movelh_ps(lefts, rights);
  high = _mm_movehl_ps(rights, lefts);
  Compare(low, high);
  left = _mm_unpacklo_ps(low, high);
  right = _mm_unpackhi_ps(low, high);
}

// Merges a bitonic sequence of kVectors vectors.
template <std::size_t kVectors>
void MergeBitonic(__m128* keys) {
  if constexpr (kVectors == 2) {
    Compare(keys[0], keys[1]);
    MergeWithinTwo(keys[0], keys[1]);
  } else {
    constexpr std::size_t kHalf = kVectors / 2;
    for (std::size_t i = 0; i < kHalf; ++i) Compare(keys[i], keys[i + kHalf]);
    MergeBitonic<kHalf>(keys);
    MergeBitonic<kHalf>(keys + kHalf);
  }
}

// Sorts kVectors vectors, whose vectors are sorted in themselves.
template <std::size_t kVectors>
void SortVectors(__m128* keys) {
  if constexpr (kVectors >= 2) {
    constexpr std::size_t kHalf = kVectors / 2;
    SortVectors<kHalf>(keys);
    SortVectors<kHalf>(keys + kHalf);
    // Ascending and then descending is bitonic.
    for (std::size_t i = 0; i < kHalf - kHalf / 2; ++i) {
      const __m128 first = keys[kHalf + i];
      keys[kHalf + i] = Reversed(keys[kVectors - 1 - i]);
      keys[kVectors - 1 - i] = Reversed(first);
    }
    MergeBitonic<kVectors>(keys);
  }
}

template <std::size_t kVectors>
void SortAll(float* keys) {
  __m128 vectors[kVectors];
  for (std::size_t i = 0; i < kVectors; ++i) vectors[i] = _mm_loadu_ps(keys + 4 * i);
  for (std::size_t i = 0; i < kVectors; i += 4) SortWithinFour(vectors + i);
  SortVectors<kVectors>(vectors);
  for (std::size_t i = 0; i < kVectors; ++i) _mm_storeu_ps(keys + 4 * i, vectors[i]);
}

}  // namespace

void SortKeys(int count, std::int32_t* keys) {
  EPLB_CHECK(count >= 0 && count <= kMostSortedKeys);
  const int padded = std::max(16, static_cast<int>(std::bit_ceil(static_cast<unsigned>(count))));
  std::array<float, kMostSortedKeys> numbers;
  for (int i = 0; i < count; ++i) numbers[Index(i)] = std::bit_cast<float>(keys[i]);
  std::fill(numbers.begin() + count, numbers.begin() + padded, std::numeric_limits<float>::infinity());
  if (padded == 16) SortAll<4>(numbers.data());
  if (padded == 32) SortAll<8>(numbers.data());
  if (padded == 64) SortAll<16>(numbers.data());
  if (padded == 128) SortAll<32>(numbers.data());
  for (int i = 0; i < count; ++i) keys[i] = std::bit_cast<std::int32_t>(numbers[Index(i)]);
}

#else

void SortKeys(int count, std::int32_t* keys) {
  EPLB_CHECK(count >= 0 && count <= kMostSortedKeys);
  std::sort(keys, keys + count);
}

#endif

}  // namespace eplb
