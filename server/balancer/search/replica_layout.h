#ifndef EPLB_SERVER_BALANCER_SEARCH_REPLICA_LAYOUT_H_
#define EPLB_SERVER_BALANCER_SEARCH_REPLICA_LAYOUT_H_

#include <cstdint>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/packing_problem.h"

namespace eplb {

// The state that the search changes: replicas of each expert, the expert in each slot, and the loads that follow. GPUs
// are numbered within the problem, their slots are consecutive. Loads are scaled so that a GPU of speed 1 would
// carry 1 if all were perfectly balanced: "load 1.002" is 0.2 % above the mean whatever the tokens.
// Plain data: whoever changes a slot keeps gpu_load in step, with Exchange() where that will do.
struct ReplicaLayout {
  int num_experts = 0;
  int num_gpus = 0;
  int num_slots = 0;
  bool equal_speeds = true;
  bool unit_speeds = true;  // all 1: there is nothing to divide by
  bool even_slots = true;
  double scale = 1.0;  // load in here = load in the problem * scale

  FlatArray<double> load;              // [experts]
  FlatArray<std::int32_t> replicas;    // [experts]
  FlatArray<double> replica_load;      // [experts] load / replicas
  FlatArray<std::int32_t> first_slot;  // [gpus + 1]
  FlatArray<std::int32_t> gpu_of;      // [slots]
  FlatArray<double> speed;             // [gpus]
  FlatArray<std::int32_t> expert_in;   // [slots]
  FlatArray<float> slot_load;          // [slots] replica_load of the expert within, rounded
  FlatArray<double> gpu_load;          // [gpus] sum over its slots

  // Takes over the problem's shape and loads; replicas and slots are left to the caller.
  void Reset(const PackingProblem& problem);

  int slots_on(int gpu) const { return first_slot[gpu + 1] - first_slot[gpu]; }
  bool Holds(int gpu, std::int32_t expert) const {
    for (int slot = first_slot[gpu]; slot < first_slot[gpu + 1]; ++slot) {
      if (expert_in[slot] == expert) return true;
    }
    return false;
  }
  double LoadPerSpeed(int gpu) const { return unit_speeds ? gpu_load[gpu] : gpu_load[gpu] / speed[gpu]; }

  // The GPU with the most load per speed, the lowest among equals.
  int Hottest() const;
  double MaxLoad() const { return LoadPerSpeed(Hottest()); }

  void SetReplicas(int expert, int count);
  // Puts an expert into a slot; gpu_load is not touched.
  void Put(int slot, std::int32_t expert) {
    expert_in[slot] = expert;
    slot_load[slot] = static_cast<float>(replica_load[expert]);
  }
  // Exchanges the experts of two slots on different GPUs.
  void Exchange(int slot, int other_slot);
  // Recomputes slot_load and gpu_load from replicas and expert_in.
  void RecomputeLoads();
  // Pairs of slots of one GPU with the same expert.
  int CountTwins() const;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_REPLICA_LAYOUT_H_
