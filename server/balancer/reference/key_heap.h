#ifndef EPLB_SERVER_BALANCER_REFERENCE_KEY_HEAP_H_
#define EPLB_SERVER_BALANCER_REFERENCE_KEY_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace eplb {

// A binary max-heap of 64-bit keys in place. A weight in the high half and an index in the low half make one key, so
// that a comparison is one instruction and ties are settled by the index.

// Restores the heap below `hole`, where `key` is to go: both of its subtrees are heaps already.
inline void SiftDown(std::span<std::uint64_t> heap, std::size_t hole, std::uint64_t key) {
  const std::size_t size = heap.size();
  while (true) {
    std::size_t child = 2 * hole + 1;
    if (child >= size) break;
    // Selected by arithmetic: which child is larger is a coin toss that a branch would lose half of the time.
    child += static_cast<std::size_t>(child + 1 < size && heap[child + 1] > heap[child]);
    if (heap[child] <= key) break;
    heap[hole] = heap[child];
    hole = child;
  }
  heap[hole] = key;
}

// Makes a heap of keys in any order.
inline void MakeHeap(std::span<std::uint64_t> heap) {
  for (std::size_t i = heap.size() / 2; i-- > 0;) SiftDown(heap, i, heap[i]);
}

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_REFERENCE_KEY_HEAP_H_
