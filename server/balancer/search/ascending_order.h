#ifndef EPLB_SERVER_BALANCER_SEARCH_ASCENDING_ORDER_H_
#define EPLB_SERVER_BALANCER_SEARCH_ASCENDING_ORDER_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/flat_array.h"

namespace eplb {

// Orders a few to a few thousand numbers, fast and nearly: numbers closer than about 1/65000 of their size (up to 128
// of them) or 1/4000000 of their range (more) may come out in the order of their indices instead. That is all that the
// fold needs, which runs hundreds of times per layer. Up to 128 numbers go through a sorting network, which has not one
// branch to mispredict; more go through a radix sort of 22-bit fixed-point keys. Owns its buffers. Not thread-safe.
class AscendingOrder {
 public:
  // values: finite, >= 0. The result is valid until the next call: a permutation of [0, values.size()).
  std::span<const std::int32_t> Sort(std::span<const float> values);

 private:
  void SortByKeys(std::span<const float> values);
  template <unsigned kDigitBits>
  void SortByRadix(std::span<const float> values);

  FlatArray<std::int32_t> keys_;
  FlatArray<std::uint64_t> entries_;
  FlatArray<std::uint64_t> swap_;
  FlatArray<std::int32_t> order_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_ASCENDING_ORDER_H_
