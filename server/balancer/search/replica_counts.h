#ifndef EPLB_SERVER_BALANCER_SEARCH_REPLICA_COUNTS_H_
#define EPLB_SERVER_BALANCER_SEARCH_REPLICA_COUNTS_H_

#include <cstdint>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/replica_layout.h"

namespace eplb {

// First guess at the replicas of each expert: min_replicas for all, then one by one to the expert whose load per
// replica, as float32, is the largest, ties to the lowest index (replicate_experts of deepseek-ai/EPLB). This makes the
// heaviest replica as light as it can be. Unlike there, an expert gets no more replicas than there are GPUs. Reuses
// its buffer; not thread-safe.
class ReplicaCounts {
 public:
  void Run(int min_replicas, ReplicaLayout* layout);

 private:
  // The same for the experts whose load per replica, as float32, is at least `least`; false, with counts of no use,
  // where others have to get replicas too.
  bool Spread(int min_replicas, float least, ReplicaLayout* layout);

  FlatArray<std::uint64_t> heap_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_REPLICA_COUNTS_H_
