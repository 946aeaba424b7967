#include "server/balancer/search/nearest_target.h"

#include <limits>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace eplb {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The terms from i on, and a minimum of those before.
float LeastOfRest(const float* base, const float* target, int i, int count, float value, float least) {
  for (; i < count; ++i) {
    const float difference = value - target[i];
    const float distance = base[i] + (difference < 0 ? -difference : difference);
    least = distance < least ? distance : least;
  }
  return least;
}

#ifdef __SSE2__

float LeastOfFour(__m128 values) {
  values = _mm_min_ps(values, _mm_movehl_ps(values, values));
  return _mm_cvtss_f32(_mm_min_ss(values, _mm_shuffle_ps(values, values, 1)));
}

float LeastDistanceSse2(const float* base, const float* target, int count, float value) {
  const __m128 values = _mm_set1_ps(value);
  const __m128 magnitude = _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff));
  __m128 even = _mm_set1_ps(kInfinity);
  __m128 odd = even;
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128 first = _mm_and_ps(_mm_sub_ps(values, _mm_loadu_ps(target + i)), magnitude);
    const __m128 second = _mm_and_ps(_mm_sub_ps(values, _mm_loadu_ps(target + i + 4)), magnitude);
    even = _mm_min_ps(even, _mm_add_ps(first, _mm_loadu_ps(base + i)));
    odd = _mm_min_ps(odd, _mm_add_ps(second, _mm_loadu_ps(base + i + 4)));
  }
  return LeastOfRest(base, target, i, count, value, LeastOfFour(_mm_min_ps(even, odd)));
}

__attribute__((target("avx2"))) float LeastDistanceAvx2(const float* base, const float* target, int count,
                                                        float value) {
  const __m256 values = _mm256_set1_ps(value);
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 even = _mm256_set1_ps(kInfinity);
  __m256 odd = even;
  int i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m256 first = _mm256_and_ps(_mm256_sub_ps(values, _mm256_loadu_ps(target + i)), magnitude);
    const __m256 second = _mm256_and_ps(_mm256_sub_ps(values, _mm256_loadu_ps(target + i + 8)), magnitude);
    even = _mm256_min_ps(even, _mm256_add_ps(first, _mm256_loadu_ps(base + i)));
    odd = _mm256_min_ps(odd, _mm256_add_ps(second, _mm256_loadu_ps(base + i + 8)));
  }
  even = _mm256_min_ps(even, odd);
  __m128 four = _mm_min_ps(_mm256_castps256_ps128(even), _mm256_extractf128_ps(even, 1));
  for (; i + 4 <= count; i += 4) {
    const __m128 rest = _mm_and_ps(_mm_sub_ps(_mm256_castps256_ps128(values), _mm_loadu_ps(target + i)),
                                   _mm256_castps256_ps128(magnitude));
    four = _mm_min_ps(four, _mm_add_ps(rest, _mm_loadu_ps(base + i)));
  }
  return LeastOfRest(base, target, i, count, value, LeastOfFour(four));
}

#endif

}  // namespace

float LeastDistance(const float* base, const float* target, int count, float value) {
#ifdef __SSE2__
  static const bool has_avx2 = __builtin_cpu_supports("avx2") > 0;
  return has_avx2 ? LeastDistanceAvx2(base, target, count, value) : LeastDistanceSse2(base, target, count, value);
#else
  return LeastOfRest(base, target, 0, count, value, kInfinity);
#endif
}

}  // namespace eplb
