#include "server/balancer/search/replica_counts.h"

#include <span>

#include "server/balancer/reference/descending_order.h"
#include "server/balancer/reference/key_heap.h"

namespace eplb {
namespace {

// The largest load per replica on top, the lowest expert among equals.
std::uint64_t HeapKey(double replica_load, int expert) {
  const std::uint64_t bits = OrderedBits(static_cast<float>(replica_load));
  return (bits << 32) | static_cast<std::uint32_t>(~expert);
}

}  // namespace

void ReplicaCounts::Run(int min_replicas, ReplicaLayout* layout) {
  const int num_experts = layout->num_experts;
  heap_.Resize(num_experts);
  for (int expert = 0; expert < num_experts; ++expert) {
    layout->SetReplicas(expert, min_replicas);
    heap_[expert] = HeapKey(layout->replica_load[expert], expert);
  }
  std::span<std::uint64_t> heap(heap_.data(), static_cast<std::size_t>(num_experts));
  MakeHeap(heap);
  for (int left = layout->num_slots - num_experts * min_replicas; left > 0 && !heap.empty();) {
    const int expert = ~static_cast<std::int32_t>(static_cast<std::uint32_t>(heap[0]));
    if (layout->replicas[expert] >= layout->num_gpus) {
      const std::uint64_t last = heap.back();
      heap = heap.first(heap.size() - 1);
      if (!heap.empty()) SiftDown(heap, 0, last);
      continue;
    }
    layout->SetReplicas(expert, layout->replicas[expert] + 1);
    SiftDown(heap, 0, HeapKey(layout->replica_load[expert], expert));
    --left;
  }
}

}  // namespace eplb
