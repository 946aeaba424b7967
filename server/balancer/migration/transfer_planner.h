#ifndef EPLB_SERVER_BALANCER_MIGRATION_TRANSFER_PLANNER_H_
#define EPLB_SERVER_BALANCER_MIGRATION_TRANSFER_PLANNER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/balancer/migration/cycle_cutter.h"
#include "server/balancer/migration/step_order.h"
#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/model/transfer.h"

namespace eplb {

// Most that one GPU may have under way in one step; 0 is no limit. A single transfer stages 1, sends 1 and receives 1,
// so only steps of several can go past a limit.
struct TransferLimits {
  int max_staged_per_gpu = 0;    // slots of the GPU that are written, also from another slot of its own
  int max_sent_per_gpu = 0;      // experts it sends to other GPUs
  int max_received_per_gpu = 0;  // experts it gets from other GPUs
};

struct TransferOptions {
  // Every expert keeps this many replicas on GPUs that are not excluded after every step, or as many as the smaller of
  // the two placements gives it. At least 1.
  int min_replicas = 1;
  TransferLimits limits = {};
};

// What the transfers of a plan move.
struct TransferCounts {
  int transfers = 0;
  int within_gpu = 0;    // between two slots of one GPU: a copy, no fetch
  int within_node = 0;   // between two GPUs of one node
  int across_nodes = 0;  // the rest
  int no_source = 0;     // none of these: the weights come from elsewhere, such as a checkpoint

  // What comes from outside the node.
  int inter_node_fetches() const { return across_nodes + no_source; }
};

// The way from one layer's slots to another's: a transfer for every slot whose expert changes, grouped into the
// smallest steps that can each be applied whole (see StepOrder), a valid layer after every step. Slots that `to` leaves
// empty (all those of excluded GPUs) need no weights: they keep what they hold until the layer's last step is done and
// are emptied then.
//
// Sources, for each transfer, among the slots that hold the expert before the step: the GPU itself, then the same node,
// then the GPU that has sent least in this plan so far, then the lowest slot. Draining GPUs send like others, dead ones
// do not: an expert that only dead GPUs hold has no source (-1), its weights must come from elsewhere, such as a
// checkpoint.
//
// A step of several writes, which is a cycle of experts that have no replica to spare, may go past the limits: a cycle
// that visits a GPU three times stages three there. CycleCutter then makes several steps of it, at one transfer more
// for each cut; within a step of several that has limits the sources are the slots of the cycle itself. Only a cycle
// within one GPU may be impossible to cut (FAILED_PRECONDITION); after SlotArrangement there is none.
//
// Owns its buffers; not thread-safe; keeps a reference to the topology. Remembers how much each GPU has sent, from
// layer to layer.
class LayerTransfers {
 public:
  LayerTransfers(const Topology& topology, int num_experts, const TransferOptions& options);

  // Appends the transfers of a layer, with steps numbered from next_step, which becomes the number after the last.
  // from, to: [num_slots]; to is empty on excluded GPUs and every expert it holds is in from.
  absl::Status Run(int layer, std::span<const std::int32_t> from, std::span<const std::int32_t> to,
                   std::vector<Transfer>& transfers, std::int32_t& next_step);

 private:
  struct SlotTransfer {
    std::int32_t expert;
    std::int32_t source_slot;
    std::int32_t target_slot;
  };

  void FindWrites(std::span<const std::int32_t> from, std::span<const std::int32_t> to);
  absl::Status EmitCycle(int layer, std::span<const std::int32_t> writes);
  // -1 when no GPU that can send holds it.
  std::int32_t NearestHolder(std::int32_t slot, std::int32_t expert) const;
  // Applies step_ to the layer and appends its transfers.
  void EmitStep(int layer);

  const Topology& topology_;
  const TransferOptions options_;
  int max_per_gpu_ = 0;  // the smallest limit: see CycleCutter
  StepOrder step_order_;
  CycleCutter cutter_;
  std::vector<StepOrder::Write> writes_;
  std::vector<std::int32_t> write_slots_;           // [writes] the slot of each
  std::vector<std::int32_t> spare_;                 // [experts]
  std::vector<std::int32_t> kept_;                  // [experts] usable replicas in `to`
  std::vector<std::vector<std::int32_t>> holders_;  // [experts] slots that hold it now
  std::vector<std::int32_t> content_;               // [slots] now
  std::vector<std::int64_t> sent_;                  // [gpus] so far
  std::vector<SlotTransfer> step_;
  std::vector<std::int32_t> cycle_;
  std::vector<Transfer>* transfers_ = nullptr;
  std::int32_t next_step_ = 0;
};

// The transfers of all layers, layer by layer. INVALID_ARGUMENT when the placements' shapes differ from one another or
// from the topology's, when `to` puts an expert on an excluded GPU, or on a bad option; FAILED_PRECONDITION as above.
absl::StatusOr<std::vector<Transfer>> PlanTransfers(const Placement& from, const Placement& to,
                                                    const Topology& topology, const TransferOptions& options);

TransferCounts CountTransfers(std::span<const Transfer> transfers, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_TRANSFER_PLANNER_H_
