#ifndef EPLB_SERVER_BALANCER_MIGRATION_CYCLE_CUTTER_H_
#define EPLB_SERVER_BALANCER_MIGRATION_CYCLE_CUTTER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/model/topology.h"

namespace eplb {

// Cuts a cycle of slot writes that is too large to be applied at once into steps that are not.
//
// In a cycle of slots t1 .. tk, t(i) is to get what t(i+1) holds and tk what t1 holds; nothing may be lost, so a step
// must be a cycle too. Applied whole it stages, sends and receives on each GPU at most as many experts as the GPU has
// slots in it. Where that is above the limit, a segment t1 .. tm is applied first: t1 .. t(m-1) as they are and tm
// taking what t1 held. That is a step of m writes, of which m - 1 are final, and it leaves the cycle tm, t(m+1) .. tk.
// Each cut costs one write more, so the longest segment within the limit is taken each time, the first of equals.
//
// While a cycle visits two GPUs there is always a segment of two slots on different GPUs that leaves either two GPUs or
// one slot: so any limit >= 1 can be kept. Only a cycle that lies within one GPU may be impossible to cut: with a limit
// of 1 even a swap is too large.
//
// Worked example: slots on the GPUs a b a c, at most one at a time on each GPU. The longest segment within that is
// b a c: it is applied with c taking what b held, and leaves c a: two steps of 3 + 2 writes instead of one of 4.
//
// Owns its buffers; not thread-safe; keeps a reference to the topology.
class CycleCutter {
 public:
  struct SlotWrite {
    std::int32_t target_slot;
    std::int32_t source_slot;  // holds before the step what the target gets
  };

  explicit CycleCutter(const Topology& topology);

  // slots: the cycle t1 .. tk, k >= 2, distinct. max_per_gpu: at least 1, or 0 for no limit. False when the cycle
  // cannot be cut; otherwise writes() in steps.
  bool Run(std::span<const std::int32_t> slots, int max_per_gpu);

  std::span<const SlotWrite> writes() const { return writes_; }
  // First write of each step, and at last writes().size().
  std::span<const std::int32_t> first_of_step() const { return first_of_step_; }

 private:
  struct Segment {
    std::size_t start = 0;
    std::size_t size = 0;  // 0: none
  };

  std::int32_t GpuAt(std::size_t position) const;
  bool WholeFits(std::int32_t max_per_gpu);
  // The longest segment within the limit that leaves a cycle that can be cut further.
  Segment FindSegment(std::int32_t max_per_gpu);
  void Apply(const Segment& segment);

  const Topology& topology_;
  std::vector<std::int32_t> cycle_;    // what is left
  std::vector<std::int32_t> on_gpu_;   // [gpus] slots of the segment at hand, all 0 between calls
  std::vector<std::size_t> same_gpu_;  // [positions] length of the run of slots of one GPU that starts here
  std::vector<SlotWrite> writes_;
  std::vector<std::int32_t> first_of_step_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_CYCLE_CUTTER_H_
