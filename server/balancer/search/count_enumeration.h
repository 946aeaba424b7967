#ifndef EPLB_SERVER_BALANCER_SEARCH_COUNT_ENUMERATION_H_
#define EPLB_SERVER_BALANCER_SEARCH_COUNT_ENUMERATION_H_

#include <cstdint>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/replica_layout.h"

namespace eplb {

// Lists every set of replica counts that could beat a given maximum load: expert e needs at least load(e) / maximum
// replicas, so only the slots beyond those are free to go anywhere. With 8 experts in 16 slots that leaves tens to
// hundreds of the 6435 sets. Counts come in lexicographic order of the experts' numbers, most replicas for the
// low numbers last. Reuses its buffers; not thread-safe.
class CountEnumeration {
 public:
  // Sets up for counts under which no replica exceeds `max_load`. Returns how many sets there are, or max_sets + 1 if
  // more.
  std::int64_t Start(int min_replicas, double max_load, std::int64_t max_sets, const ReplicaLayout& layout);

  // The next counts: [experts]; nullptr at the end.
  const FlatArray<std::int32_t>* Next();

 private:
  FlatArray<std::int32_t> least_;
  FlatArray<std::int32_t> counts_;
  int most_ = 1;  // replicas of one expert
  int spare_ = 0;
  bool started_ = false;
  bool done_ = false;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_COUNT_ENUMERATION_H_
