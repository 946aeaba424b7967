#ifndef EPLB_SERVER_BALANCER_SEARCH_SORTING_NETWORK_H_
#define EPLB_SERVER_BALANCER_SEARCH_SORTING_NETWORK_H_

#include <cstdint>

namespace eplb {

inline constexpr int kMostSortedKeys = 128;

// Sorts keys, the bits of floats that are finite and >= 0 (which order as whole numbers do), ascending. keys: [count],
// 0 <= count <= kMostSortedKeys. Where the machine has SSE2, by K. E. Batcher's bitonic network ("Sorting networks and
// their applications", AFIPS 1968): the same comparisons whatever the keys, four at a time, all in registers for 32
// keys.
void SortKeys(int count, std::int32_t* keys);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_SORTING_NETWORK_H_
