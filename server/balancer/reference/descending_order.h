#ifndef EPLB_SERVER_BALANCER_REFERENCE_DESCENDING_ORDER_H_
#define EPLB_SERVER_BALANCER_REFERENCE_DESCENDING_ORDER_H_

#include <cstdint>
#include <span>
#include <vector>

namespace eplb {

// Sorts indices by weight, heaviest first, ties to the lowest index. A radix sort over the bits of the floats: with a
// few hundred keys per layer it takes a third of std::sort's time, which the branch predictor never learns.
// Owns its buffers, so that sorting layer after layer allocates nothing. Not thread-safe.
class DescendingOrder {
 public:
  // weights: finite, >= 0, no negative zero. The result is valid until the next call: a permutation of
  // [0, weights.size()).
  std::span<const std::int32_t> Sort(std::span<const float> weights);

 private:
  struct Entry {
    std::uint32_t key;
    std::int32_t index;
  };
  std::vector<Entry> entries_;
  std::vector<Entry> swap_;
  std::vector<std::int32_t> order_;
};

// The bits of a float that is >= 0 and not negative zero: they order as the floats do.
std::uint32_t OrderedBits(float value);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_REFERENCE_DESCENDING_ORDER_H_
