#ifndef EPLB_SERVER_MODEL_TOPOLOGY_H_
#define EPLB_SERVER_MODEL_TOPOLOGY_H_

#include <vector>

#include "absl/status/statusor.h"

namespace eplb {

// What a Topology is made from.
struct TopologyOptions {
  int num_gpus = 0;                     // expert-parallel ranks, 1..kMaxGpus
  int num_nodes = 1;                    // 1..num_gpus
  int num_groups = 1;                   // expert groups of the router (n_group); 1 where the model has none
  int num_slots = 0;                    // per layer, over all GPUs, 1..kMaxSlots
  std::vector<int> slots_per_gpu = {};  // [num_gpus], each >= 0, summing to num_slots; empty: as equal as possible,
                                        // the first num_slots mod num_gpus GPUs holding one more
  std::vector<double> gpu_speed = {};   // [num_gpus] relative speed, > 0; empty: all 1
  std::vector<int> node_of_gpu = {};    // [num_gpus], each < num_nodes; empty: consecutive blocks as equal as possible
  std::vector<int> excluded_gpus = {};  // dead or draining GPUs, each < num_gpus, no repeats, not all
  std::vector<int> draining_gpus = {};  // those of excluded_gpus that can still be copied from
};

// The hardware that a layout is for. Slots are numbered GPU by GPU: slot s lives on gpu_of_slot(s), which is
// s / slots_per_gpu where every GPU has the same number. Immutable; safe to read from any thread.
class Topology {
 public:
  // INVALID_ARGUMENT names every field that breaks its rule.
  static absl::StatusOr<Topology> Create(TopologyOptions options);

  int num_gpus() const { return num_gpus_; }
  int num_nodes() const { return num_nodes_; }
  int num_groups() const { return num_groups_; }
  int num_slots() const { return first_slot_.back(); }

  // First slot of a GPU; first_slot(num_gpus()) == num_slots().
  int first_slot(int gpu) const { return first_slot_[static_cast<std::size_t>(gpu)]; }
  int slots_on(int gpu) const { return first_slot(gpu + 1) - first_slot(gpu); }
  int gpu_of_slot(int slot) const { return gpu_of_slot_[static_cast<std::size_t>(slot)]; }
  int node_of_gpu(int gpu) const { return node_of_gpu_[static_cast<std::size_t>(gpu)]; }
  double speed(int gpu) const { return speed_[static_cast<std::size_t>(gpu)]; }
  bool excluded(int gpu) const { return excluded_[static_cast<std::size_t>(gpu)]; }
  // What the GPU holds can be copied from it: it is not excluded, or draining.
  bool can_send(int gpu) const { return can_send_[static_cast<std::size_t>(gpu)]; }

  // GPUs that may hold experts, and the slots on them.
  int num_usable_gpus() const { return num_usable_gpus_; }
  int num_usable_slots() const { return num_usable_slots_; }

  // Every GPU has the same number of slots.
  bool has_even_slots() const { return has_even_slots_; }
  // Even slots, equal speeds, nothing excluded: what the reference policies are defined for.
  bool is_uniform() const { return is_uniform_; }
  // Nodes are consecutive blocks of equally many GPUs.
  bool has_block_nodes() const { return has_block_nodes_; }

  bool operator==(const Topology&) const = default;

 private:
  Topology() = default;

  int num_gpus_ = 0;
  int num_nodes_ = 0;
  int num_groups_ = 0;
  int num_usable_gpus_ = 0;
  int num_usable_slots_ = 0;
  bool has_even_slots_ = true;
  bool is_uniform_ = true;
  bool has_block_nodes_ = true;
  std::vector<int> first_slot_;   // [num_gpus + 1]
  std::vector<int> gpu_of_slot_;  // [num_slots]
  std::vector<int> node_of_gpu_;  // [num_gpus]
  std::vector<double> speed_;     // [num_gpus]
  std::vector<bool> excluded_;    // [num_gpus]
  std::vector<bool> can_send_;    // [num_gpus]
};

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_TOPOLOGY_H_
