#include "server/balancer/search/replica_counts.h"

#include <span>

#include "server/balancer/reference/descending_order.h"
#include "server/balancer/reference/key_heap.h"

namespace eplb {
namespace {

constexpr double kRounding = 1e-6;

// The largest load per replica on top, the lowest expert among equals.
std::uint64_t HeapKey(double replica_load, int expert) {
  const std::uint64_t bits = OrderedBits(static_cast<float>(replica_load));
  return (bits << 32) | static_cast<std::uint32_t>(~expert);
}

int Top(std::span<const std::uint64_t> heap) { return ~static_cast<std::int32_t>(static_cast<std::uint32_t>(heap[0])); }

}  // namespace

void ReplicaCounts::Run(int min_replicas, ReplicaLayout* layout) {
  // The heaviest replica never gets lighter than the mean one, so an expert with replicas lighter than that gets no
  // more of them, and stays out of the heap: two thirds of them do. Unless some expert could use more than there are
  // GPUs.
  double total = 0;
  for (const double load : layout->load) total += load;
  if (!Spread(min_replicas, static_cast<float>(total / layout->num_slots * (1 - kRounding)), layout)) {
    Spread(min_replicas, 0.0F, layout);
  }
}

bool ReplicaCounts::Spread(int min_replicas, float least, ReplicaLayout* layout) {
  const int num_experts = layout->num_experts;
  heap_.Resize(num_experts);
  std::size_t size = 0;
  for (int expert = 0; expert < num_experts; ++expert) {
    layout->SetReplicas(expert, min_replicas);
    heap_.data()[size] = HeapKey(layout->replica_load[expert], expert);
    size += static_cast<std::size_t>(static_cast<float>(layout->replica_load[expert]) >= least);
  }
  std::span<std::uint64_t> heap(heap_.data(), size);
  MakeHeap(heap);
  const std::uint64_t least_key = std::uint64_t{OrderedBits(least)} << 32;
  for (int left = layout->num_slots - num_experts * min_replicas; left > 0; --left) {
    while (!heap.empty() && layout->replicas[Top(heap)] >= layout->num_gpus) {
      const std::uint64_t last = heap.back();
      heap = heap.first(heap.size() - 1);
      if (!heap.empty()) SiftDown(heap, 0, last);
    }
    if (heap.empty()) return least == 0.0F;
    if (heap[0] < least_key) return false;
    const int expert = Top(heap);
    layout->SetReplicas(expert, layout->replicas[expert] + 1);
    SiftDown(heap, 0, HeapKey(layout->replica_load[expert], expert));
  }
  return true;
}

}  // namespace eplb
