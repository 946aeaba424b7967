#ifndef EPLB_SERVER_BALANCER_SEARCH_EXCHANGE_SCAN_H_
#define EPLB_SERVER_BALANCER_SEARCH_EXCHANGE_SCAN_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/work_meter.h"

namespace eplb {

// Replica of one GPU for replica of another. `peak` is the larger load per speed of the two GPUs afterwards.
struct Exchange {
  float peak = 0.0F;
  std::int32_t slot = -1;     // on the GPU that is to be relieved; -1: there is none
  std::int32_t partner = -1;  // on the other GPU

  bool exists() const { return slot >= 0; }
};

// An exchange must lower the peak by more than rounding could raise it; loads are near 1.
inline constexpr double kLeastGain = 1e-6;

// Whether the experts of two slots on different GPUs differ and neither would meet its twin.
bool MayExchange(int slot, int partner, const ReplicaLayout& layout);

// Finds the best exchange for a GPU h. Moving d of load from h to g leaves
//   max(L(h) - d, L(g) + d) = (L(h) + L(g)) / 2 + |d - (L(h) - L(g)) / 2|,
// so for a replica a of h the best partner in the whole layout is the replica b nearest to the point
// load(a) - (L(h) - L(g)) / 2, with a handicap of (L(h) + L(g)) / 2 for its GPU: one scan of a flat array for each
// replica of h. Example: loads 1.010 and 0.990, replicas a = 0.30, b = 0.29: d = 0.01, both become 1.000.
// With unequal speeds each pair is computed. Reuses its buffers; not thread-safe.
class ExchangeScan {
 public:
  // The exchange between `gpu` and any GPU that is not `barred` with the least peak, if below `limit`; ties to the
  // lowest slot, then partner. Never one that makes a twin.
  Exchange Best(int gpu, std::span<const std::int32_t> barred, double limit, WorkMeter* work,
                const ReplicaLayout& layout);

 private:
  void SetTargets(int gpu, std::span<const std::int32_t> barred, const ReplicaLayout& layout);
  Exchange BestWithTwins(int gpu, const ReplicaLayout& layout) const;
  Exchange BestWithoutTwins(int gpu, float limit, const ReplicaLayout& layout) const;
  Exchange BestWithSpeeds(int gpu, std::span<const std::int32_t> barred, float limit,
                          const ReplicaLayout& layout) const;

  FlatArray<float> handicap_;  // [gpus] half the load of both GPUs
  FlatArray<float> shift_;     // [gpus] half of what this one has less
  FlatArray<float> base_;      // [slots] handicap of its GPU; infinite on barred ones
  FlatArray<float> target_;    // [slots] load of the replica for which this slot's is the perfect exchange
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_EXCHANGE_SCAN_H_
