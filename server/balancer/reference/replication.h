#ifndef EPLB_SERVER_BALANCER_REFERENCE_REPLICATION_H_
#define EPLB_SERVER_BALANCER_REFERENCE_REPLICATION_H_

#include <cstdint>
#include <span>
#include <vector>

namespace eplb {

// The published greedy replication (deepseek-ai/EPLB, eplb.py, replicate_experts): every expert gets one replica, then
// each further one goes to the expert whose load per replica, as float32, is the largest; ties to the lowest index.
// A heap instead of the original's scan over all experts per replica: O(experts + extra * log experts).
// Owns its buffers; not thread-safe.
class Replication {
 public:
  // load_of[i] is the load of expert i, >= 0. Afterwards, with n = load_of.size():
  //   expert_of()[r], r in [0, num_replicas): r itself for r < n, then the expert that got the r-th replica;
  //   rank_of()[r]: which replica of its expert it is, from 0; counts()[i]: replicas of expert i;
  //   replica_load()[i]: load of one replica of expert i, as float32.
  // num_replicas >= load_of.size() >= 1.
  void Run(std::span<const float> load_of, int num_replicas);

  std::span<const std::int32_t> expert_of() const { return expert_of_; }
  std::span<const std::int32_t> rank_of() const { return rank_of_; }
  std::span<const std::int32_t> counts() const { return counts_; }
  std::span<const float> replica_load() const { return replica_load_; }

 private:
  std::vector<std::int32_t> expert_of_;
  std::vector<std::int32_t> rank_of_;
  std::vector<std::int32_t> counts_;
  std::vector<float> replica_load_;
  std::vector<std::uint64_t> heap_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_REFERENCE_REPLICATION_H_
