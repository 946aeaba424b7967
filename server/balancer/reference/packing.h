#ifndef EPLB_SERVER_BALANCER_REFERENCE_PACKING_H_
#define EPLB_SERVER_BALANCER_REFERENCE_PACKING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/reference/descending_order.h"

namespace eplb {

// The published greedy packing (deepseek-ai/EPLB, eplb.py, balanced_packing): items in descending order of weight each
// go to the lightest pack that still has room, all packs holding equally many; sums in float32; ties to the lowest
// item and pack. Where every pack holds one item, item i goes to pack i. A heap instead of the original's scan over all
// packs per item: O(items * log packs). Owns its buffers; not thread-safe.
class Packing {
 public:
  // num_packs divides weights.size(). Afterwards item i is the rank_of()[i]-th item put into pack_of()[i].
  void Run(std::span<const float> weights, int num_packs);

  std::span<const std::int32_t> pack_of() const { return pack_of_; }
  std::span<const std::int32_t> rank_of() const { return rank_of_; }

 private:
  DescendingOrder order_;
  std::vector<std::int32_t> pack_of_;
  std::vector<std::int32_t> rank_of_;
  std::vector<float> pack_weight_;
  std::vector<std::int32_t> pack_items_;
  std::vector<std::uint64_t> heap_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_REFERENCE_PACKING_H_
