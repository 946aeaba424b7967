#ifndef EPLB_SERVER_BALANCER_SEARCH_NEAREST_TARGET_H_
#define EPLB_SERVER_BALANCER_SEARCH_NEAREST_TARGET_H_

#include <bit>
#include <cstdint>
#include <limits>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace eplb {

// The innermost loop of the exchange search: least over i of base[i] + |value - target[i]|. All sums are >= 0.
// Compilers do not vectorise a float minimum without -ffast-math, hence the SSE2 form, which every x86-64 has; the
// portable form gives the same bits.
inline float LeastDistance(const float* base, const float* target, int count, float value) {
  float least = std::numeric_limits<float>::infinity();
  int i = 0;
#ifdef __SSE2__
  const __m128 values = _mm_set1_ps(value);
  const __m128 magnitude = _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff));
  __m128 even = _mm_set1_ps(least);
  __m128 odd = even;
  for (; i + 8 <= count; i += 8) {
    const __m128 first = _mm_and_ps(_mm_sub_ps(values, _mm_loadu_ps(target + i)), magnitude);
    const __m128 second = _mm_and_ps(_mm_sub_ps(values, _mm_loadu_ps(target + i + 4)), magnitude);
    even = _mm_min_ps(even, _mm_add_ps(first, _mm_loadu_ps(base + i)));
    odd = _mm_min_ps(odd, _mm_add_ps(second, _mm_loadu_ps(base + i + 4)));
  }
  even = _mm_min_ps(even, odd);
  even = _mm_min_ps(even, _mm_movehl_ps(even, even));
  even = _mm_min_ss(even, _mm_shuffle_ps(even, even, 1));
  least = _mm_cvtss_f32(even);
#endif
  for (; i < count; ++i) {
    const float difference = value - target[i];
    const float distance = base[i] + (difference < 0 ? -difference : difference);
    least = distance < least ? distance : least;
  }
  return least;
}

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_NEAREST_TARGET_H_
