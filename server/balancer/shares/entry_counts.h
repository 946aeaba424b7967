#ifndef EPLB_SERVER_BALANCER_SHARES_ENTRY_COUNTS_H_
#define EPLB_SERVER_BALANCER_SHARES_ENTRY_COUNTS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/model/topology.h"

namespace eplb {

// Weighted routing for engines that pick evenly among the entries of a logical-to-physical map: a replica that stands
// there m times gets m / (entries of its expert) of the expert's tokens. Chooses how often each replica stands there,
// at most max_entries for each expert, such that the busiest GPU is as idle as whole numbers allow.
//
// A replica gets at least one entry, unless its ideal share is below half of the smallest that there can be,
// 1 / (2 max_entries): then none may be better. The best whole numbers are a hard problem, so this is a descent, over
// the experts by load, heaviest first, again and again: the expert's ideal shares given what the others really send
// (water-filling over its GPUs) are rounded to each number of entries by the largest remainder, and the rounding
// after which the expert's GPUs are balanced best is taken (smallest maximum, then smallest sum of squares, then
// fewest entries). The global maximum never rises. It starts from the optimal shares and from one entry each, and keeps
// the better end: never worse than even shares. Twins count as one replica, whose entries they split.
//
// Worked example: A on GPU 0 (with B) and GPU 1 (with C), A 60, B 50, C 10, at most 4 entries: the ideal 1/6 : 5/6
// becomes 1 : 3, loads 65 and 55; with at most 6 it is 1 : 5, loads 60 and 60; even shares give 80 and 40.
//
// Owns its buffers; not thread-safe; keeps a reference to the topology.
class EntryCounts {
 public:
  EntryCounts(const Topology& topology, int num_experts);

  // slots: [num_slots]; loads: [num_experts]; share: [num_slots] as ShareOptimizer gives it; max_entries: at least the
  // most replicas that any expert has.
  void Run(std::span<const std::int32_t> slots, std::span<const double> loads, std::span<const double> share,
           int max_entries);

  // [num_slots] entries of each slot, 0 for empty ones; until the next Run.
  std::span<const std::int32_t> count() const { return count_; }
  // Largest GPU load that these entries give.
  double max_load() const { return max_load_; }

 private:
  struct Objective {
    double max = 0;
    double squares = 0;
    int entries = 0;

    // Smaller by more than rounding.
    bool Improves(const Objective& other) const;
  };

  void GroupSlots(std::span<const std::int32_t> slots, std::span<const double> loads);
  void SplitTwins();
  // Puts counts into count_ for all experts: by share, or one for each slot.
  void Start(std::span<const double> share);
  void MeasureGpus(std::span<const double> loads);
  double Descend(std::span<const double> loads);
  bool ImproveExpert(std::int32_t expert, double load);
  // ideal_: the shares of the expert that level its GPUs given what they carry without it.
  void FillIdeal(std::span<const std::int32_t> slots, double load);
  // trial_: ideal_ rounded to `entries` in all.
  void RoundIdeal(int entries);
  Objective Value(std::span<const std::int32_t> slots, double load, std::span<const std::int32_t> counts) const;
  void AddLoad(std::span<const std::int32_t> slots, double load, std::span<const std::int32_t> counts);

  const Topology& topology_;
  int max_entries_ = 0;
  double max_load_ = 0;
  std::vector<std::vector<std::int32_t>> slots_of_;  // [experts] its usable slots, or all where none is usable; of
                                                     // twins only the first
  std::vector<std::int32_t> copies_;                 // [slots] of the expert on the GPU, at the first of its slots
  std::vector<std::int32_t> first_twin_;             // [slots] the first one, -1 for slots that are no second twin
  std::vector<std::int32_t> order_;                  // experts with several usable slots, heaviest first
  std::vector<std::int32_t> count_;
  std::vector<std::int32_t> best_count_;
  std::vector<double> gpu_load_;  // tokens per unit of speed
  std::vector<double> ideal_;
  std::vector<std::int32_t> by_remainder_;
  std::vector<std::int32_t> trial_;
  std::vector<std::int32_t> current_;
};

// The logical-to-physical map of one layer with every slot repeated as counted: for each expert its slots, spread as
// evenly as the counts allow (smooth weighted round robin), so that engines that walk the entries in order alternate.
std::vector<std::vector<std::int32_t>> RepeatedEntries(std::span<const std::int32_t> slots,
                                                       std::span<const std::int32_t> count, int num_experts);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SHARES_ENTRY_COUNTS_H_
