#ifndef EPLB_SERVER_BALANCER_SEARCH_PAIR_EXCHANGE_H_
#define EPLB_SERVER_BALANCER_SEARCH_PAIR_EXCHANGE_H_

#include <cstdint>
#include <utility>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/work_meter.h"

namespace eplb {

// Exchanges two replicas of the hottest GPU for two of another: of the square as many sums as there are replicas, one
// nearly always fits where single exchanges are all too coarse. With 9 slots per GPU two GPUs have 81 single
// exchanges and 1296 of pairs. Reuses its buffers; not thread-safe.
class PairExchange {
 public:
  // Tries GPUs from the coolest up and does the best exchange with the first that has one leaving both GPUs below the
  // maximum. Returns whether there was one. Never makes a twin. Needs at least 4 slots on a GPU: with fewer, a
  // pair exchange is a single one with the GPUs' names changed.
  bool Run(WorkMeter* work, ReplicaLayout* layout);

 private:
  struct Pair {
    std::int32_t first;
    std::int32_t second;
  };
  struct Pairs {
    FlatArray<Pair> slots;
    FlatArray<float> loads;
  };
  static void List(int gpu, const ReplicaLayout& layout, Pairs* pairs);
  static bool MayExchangePairs(const Pair& given, const Pair& taken, const ReplicaLayout& layout);
  bool RunWith(int gpu, int hottest, ReplicaLayout* layout);
  void OrderByLoad(const ReplicaLayout& layout);

  Pairs hot_;
  Pairs cool_;
  FlatArray<float> no_handicap_;
  FlatArray<std::pair<double, std::int32_t>> by_load_;  // load per speed, and GPU
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_PAIR_EXCHANGE_H_
