#ifndef EPLB_SERVER_BALANCER_SHARES_SHARE_OPTIMIZER_H_
#define EPLB_SERVER_BALANCER_SHARES_SHARE_OPTIMIZER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/model/topology.h"

namespace eplb {

// How much of an expert's traffic each of its replicas should get.
//
// Engines share an expert's tokens evenly over its replicas, so a replica next to heavy neighbours gets as much as one
// on an idle GPU. With free shares x(s) >= 0 of the slots s of a layer, summing to 1 for each expert, the load of GPU g
// is L(g) = sum over its slots of x(s) load[e(s)] / speed(g), and the smallest possible maximum is
//   min over x of max over g of L(g) = max over sets S of experts of load(S) / speed(N(S)),
// N(S) being the GPUs that hold an expert of S: the transport problem of expert loads into GPU speeds, whose least
// feasible scale is given by its tightest cut (max-flow min-cut; Megiddo 1974).
//
// Beyond the maximum, the loads are made the lexicographically smallest descending vector: the second busiest GPU is as
// idle as can be too, and so on. Equivalently: no expert sends tokens to a GPU while another of its GPUs is less
// loaded.
//
// Exact by decomposition (Fujishige 1980), starting with all GPUs as one part: with T the part's load / the part's
// speed, move load along augmenting paths from GPUs above T speed(g) to GPUs below. When none is left, either all are
// at T, or the GPUs R that are still reachable from those above hold experts that can go nowhere else, and R and the
// rest are two parts that no longer trade. The part with the largest T in the end is the tightest cut. Only experts
// with replicas on two GPUs or more take part, which are few.
//
// Worked example: GPU 0 holds A and B, GPU 1 holds A and C, loads A 60, B 50, C 10. Even shares give 80 and 40, the
// best ones 60 and 60: A sends 1/6 to GPU 0.
//
// Replicas on excluded GPUs get nothing, unless an expert has no other: those then share evenly and count nowhere.
// Twins get half each of what their GPU gets. An expert without load is shared evenly.
//
// Relative error below 1e-9. Owns its buffers: nothing is allocated from layer to layer. Not thread-safe; keeps a
// reference to the topology.
class ShareOptimizer {
 public:
  ShareOptimizer(const Topology& topology, int num_experts);

  // slots: [num_slots]; loads: [num_experts]. Afterwards, until the next call: share() and gpu_load(), max_load().
  void Run(std::span<const std::int32_t> slots, std::span<const double> loads);

  // Only the smallest possible maximum, which takes a fraction of the time of Run; share() is not valid afterwards. For
  // searches that value placements by it.
  double OptimalShareLoad(std::span<const std::int32_t> slots, std::span<const double> loads);

  // [num_slots] share of the expert that the slot holds, 0 for empty ones.
  std::span<const double> share() const { return share_; }
  // [num_gpus] tokens per unit of speed; 0 for excluded GPUs.
  std::span<const double> gpu_load() const { return gpu_load_; }
  double max_load() const { return max_load_; }
  // Tokens that an expert held by several GPUs sends to one of them; 0 for others. After OptimalShareLoad too.
  double Sent(std::int32_t expert, int gpu) const;
  // Total load / total usable speed / max_load: see balance_metrics.h. 1 without load.
  double balancedness() const;

 private:
  // One expert on one of the several GPUs that hold it.
  struct Arc {
    std::int32_t expert;
    std::int32_t gpu;
    double tokens;  // that the expert sends there
  };
  struct Reached {
    std::int32_t gpu;
    std::int32_t parent;   // position in queue_; -1 for a GPU above the part's scale
    std::int32_t out_arc;  // of the expert on the parent, which loses load
    std::int32_t in_arc;   // of the same expert on this GPU, which gains it
  };
  struct Part {
    std::size_t begin, end;  // range of part_gpus_
  };
  enum class Depth { kMaximum, kAll };

  void Solve(std::span<const std::int32_t> slots, std::span<const double> loads, Depth depth);
  void GroupSlots(std::span<const std::int32_t> slots);
  void BuildArcs(std::span<const double> loads);
  void IndexArcsByGpu();
  void Decompose(Depth depth);
  // A breadth-first search from all GPUs of the part above the scale that moves load wherever it can. False when
  // nothing moved; queue_ then holds what can be reached.
  bool MoveLoad(const Part& part, double scale);
  bool Augment(Reached last, double scale);
  void WriteShares(std::span<const std::int32_t> slots);
  bool IsAbove(std::int32_t gpu, double scale) const;
  bool IsBelow(std::int32_t gpu, double scale) const;

  const Topology& topology_;
  double usable_speed_ = 0;
  double total_load_ = 0;
  double max_load_ = 0;
  std::vector<std::int32_t> first_usable_;  // [experts + 1]
  std::vector<std::int32_t> usable_slots_;  // usable slots, expert by expert, those of a GPU together
  std::vector<Arc> arcs_;                   // expert by expert
  std::vector<std::int32_t> first_arc_;     // [experts + 1]
  std::vector<std::int32_t> arcs_of_gpu_;   // indices of arcs_, GPU by GPU
  std::vector<std::int32_t> first_of_gpu_;  // [gpus + 1]
  std::vector<double> tokens_;              // [gpus] load not divided by speed
  std::vector<std::int32_t> part_gpus_;     // GPUs that have arcs
  std::vector<std::int32_t> part_of_;       // [gpus] the part at hand that it is in; -1 without arcs
  std::vector<Part> parts_;
  std::vector<Reached> queue_;
  std::vector<std::int32_t> gpu_seen_;     // [gpus] number of the search that reached it last
  std::vector<std::int32_t> expert_seen_;  // [experts] likewise
  std::int32_t search_ = 0;
  std::vector<double> share_;
  std::vector<double> gpu_load_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SHARES_SHARE_OPTIMIZER_H_
