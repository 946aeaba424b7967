#ifndef EPLB_SERVER_BALANCER_MIGRATION_GPU_RELABELLING_H_
#define EPLB_SERVER_BALANCER_MIGRATION_GPU_RELABELLING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/migration/slot_arrangement.h"
#include "server/balancer/migration/sparse_assignment.h"
#include "server/base/parallel_for.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// Which GPUs may trade their planned contents.
enum class RelabelScope {
  kAnyGpu,      // every GPU with any other
  kWholeNodes,  // nodes as wholes, and GPUs within them: keeps which experts share a node, as expert groups and a
                // spread over nodes need
};

// A full re-plan starts from nothing, so the plan's GPU 5 may look like what GPU 17 holds now. GPUs with the same
// number of slots, the same speed and the same exclusion are interchangeable: the balance does not depend on which of
// them carries which planned contents. This chooses, layer by layer, the one that fetches least:
//   maximise the sum over planned GPUs p of overlap(p, real(p)),  real being one to one and class preserving, where
//   overlap(p, r) = number of distinct experts that p is to hold and r holds now.
// Every (GPU, expert) pair of the plan that does not overlap is a fetch, so this minimises fetches. Exact, at every
// size (see SparseAssignment). With kWholeNodes the pairs of nodes are weighted by the best assignment of their GPUs,
// and nodes are then assigned by these weights, which is exact too.
//
// GPUs that overlap with nothing keep their own label where it is free, else the lowest free one. Afterwards experts
// that stay on a GPU keep their slot (SlotArrangement). Owns its buffers; not thread-safe; keeps a reference to the
// topology.
class GpuRelabelling {
 public:
  GpuRelabelling(const Topology& topology, int num_experts, RelabelScope scope);

  // current, planned: [num_slots], slots of excluded GPUs empty in planned.
  void Run(std::span<const std::int32_t> current, std::span<const std::int32_t> planned);

  // The planned layer on its real GPUs: [num_slots], until the next Run.
  std::span<const std::int32_t> slots() const { return slots_; }
  // The real GPU of each planned one: [num_gpus].
  std::span<const std::int32_t> real_gpu() const { return real_gpu_; }

 private:
  void Classify();
  void FindHolders(std::span<const std::int32_t> current);
  void CountOverlaps(std::span<const std::int32_t> planned);
  // Assigns the planned GPUs of one node to the real GPUs of another; returns the overlap.
  std::int64_t AssignWithinNodes(int planned_node, int real_node);
  void AssignNodes();
  // Gives the rows that the assignment left without a label one of the `columns` left, within their class.
  void Complete(std::span<const std::int32_t> rows, std::span<const std::int32_t> columns);

  const Topology& topology_;
  const RelabelScope scope_;
  std::vector<std::int32_t> gpu_class_;               // [gpus] equal for interchangeable GPUs
  std::vector<std::int32_t> node_class_;              // [nodes] equal for nodes with equal GPUs
  std::vector<std::vector<std::int32_t>> node_gpus_;  // [nodes] GPUs of each node
  std::vector<std::int32_t> index_in_node_;           // [gpus]
  std::vector<std::int32_t> all_gpus_;

  std::vector<std::vector<std::int32_t>> holders_;  // [experts] GPUs that hold it now, ascending
  std::vector<std::int32_t> last_seen_;             // [experts] GPU at which an expert was seen last
  std::vector<std::int32_t> overlap_;               // [gpus] with the planned GPU at hand
  std::vector<std::int32_t> touched_;
  std::vector<std::int32_t> first_edge_;
  std::vector<SparseAssignment::Edge> edges_;
  std::vector<std::int32_t> block_first_edge_;
  std::vector<SparseAssignment::Edge> block_edges_;
  std::vector<bool> taken_;  // [gpus]
  SparseAssignment assignment_;
  SparseAssignment node_assignment_;
  SlotArrangement arrangement_;
  std::vector<std::int32_t> real_gpu_;
  std::vector<std::int32_t> slots_;
};

// Relabels every layer of `planned`; the shapes agree with one another and the topology.
Placement RelabelToCurrent(const Placement& current, const Placement& planned, const Topology& topology,
                           RelabelScope scope, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_GPU_RELABELLING_H_
