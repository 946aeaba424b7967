#ifndef EPLB_SERVER_BALANCER_SEARCH_FIRST_LAYOUT_H_
#define EPLB_SERVER_BALANCER_SEARCH_FIRST_LAYOUT_H_

#include <cstdint>
#include <span>

#include "server/balancer/reference/descending_order.h"
#include "server/balancer/search/ascending_order.h"
#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/replica_layout.h"

namespace eplb {

// Builds a layout from replica counts. Both ways may put twins on a GPU; TwinRepair takes them apart.
// Reuses its buffers; not thread-safe.
class FirstLayout {
 public:
  // Fold, for even slots and equal speeds: the balanced largest differencing method (W. Michiels, J. Korst, E. Aarts,
  // J. van Leeuwen, "Performance ratios for the differencing method applied to the balanced number partitioning
  // problem", STACS 2003). The replicas in descending order are cut into slots-per-GPU columns of one replica for each
  // GPU. The two columns that differ most within are folded into one, the largest entry of one onto the smallest of
  // the other, until one column is left: the GPUs. Example, 2 GPUs, replicas 8 7 6 5: the columns (8 7) and (6 5)
  // fold to 8+5, 7+6. With 2 slots per GPU it is optimal; with more it leaves a tenth of the imbalance of
  // longest-first.
  void Fold(ReplicaLayout* layout);

  // Longest first: replicas in descending order each go to the GPU with the least load per speed that has a free slot,
  // ties to the lowest. For any slots and speeds. Returns false, with slots and loads of no use, once it is certain
  // that the maximum will be at least `give_up` and no GPU will hold twins.
  bool LongestFirst(double give_up, ReplicaLayout* layout);

 private:
  void OrderReplicas(const ReplicaLayout& layout);
  void CutColumns(const ReplicaLayout& layout);
  void FoldColumns(int into, int from, int height);
  float Spread(int column, int height) const;

  DescendingOrder descending_;
  AscendingOrder ascending_;
  FlatArray<float> expert_weight_;   // [experts]
  FlatArray<std::int32_t> counts_;   // [experts] replicas of each that ordered_ is of
  FlatArray<std::int32_t> ordered_;  // [slots] expert of each replica, heaviest first
  int last_copies_ = 0;              // from here on ordered_ has experts of one replica only
  FlatArray<float> entry_;           // [columns x GPUs] loads, each live column ascending
  FlatArray<std::int32_t> head_;     // [columns x GPUs] first replica of the chain in an entry
  FlatArray<std::int32_t> tail_;     // [columns x GPUs] last replica of the chain
  FlatArray<std::int32_t> next_;     // [slots] next replica in the chain, or -1
  FlatArray<float> spread_;          // [columns] last entry less first: less than 0 where nearly equal ones are swapped
  FlatArray<char> folded_away_;      // [columns]
  FlatArray<float> folded_;          // [GPUs]
  FlatArray<std::int32_t> folded_head_;
  FlatArray<std::int32_t> folded_tail_;
  FlatArray<std::int32_t> fill_;  // [GPUs] next slot to fill
  FlatArray<std::uint64_t> heap_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_FIRST_LAYOUT_H_
