#include "server/balancer/reference/replication.h"

#include "server/balancer/reference/descending_order.h"
#include "server/balancer/reference/key_heap.h"
#include "server/base/check.h"

namespace eplb {
namespace {

// The largest load per replica on top, the lowest expert among equals.
std::uint64_t HeapKey(float load, std::uint32_t expert) {
  return (static_cast<std::uint64_t>(OrderedBits(load)) << 32) | static_cast<std::uint32_t>(~expert);
}

}  // namespace

void Replication::Run(std::span<const float> load_of, int num_replicas) {
  const std::size_t num_experts = load_of.size();
  const auto total = static_cast<std::size_t>(num_replicas);
  EPLB_CHECK(num_experts >= 1 && total >= num_experts);
  expert_of_.resize(total);
  rank_of_.assign(total, 0);
  counts_.assign(num_experts, 1);
  replica_load_.assign(load_of.begin(), load_of.end());
  for (std::size_t i = 0; i < num_experts; ++i) expert_of_[i] = static_cast<std::int32_t>(i);
  if (total == num_experts) return;

  heap_.resize(num_experts);
  for (std::size_t i = 0; i < num_experts; ++i) heap_[i] = HeapKey(load_of[i], static_cast<std::uint32_t>(i));
  MakeHeap(heap_);
  for (std::size_t r = num_experts; r < total; ++r) {
    const std::uint32_t expert = ~static_cast<std::uint32_t>(heap_[0]);
    expert_of_[r] = static_cast<std::int32_t>(expert);
    rank_of_[r] = counts_[expert]++;
    replica_load_[expert] = load_of[expert] / static_cast<float>(counts_[expert]);
    SiftDown(heap_, 0, HeapKey(replica_load_[expert], expert));
  }
}

}  // namespace eplb
