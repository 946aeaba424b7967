#include "server/balancer/search/replica_layout.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace eplb {

void ReplicaLayout::Reset(const PackingProblem& problem) {
  num_experts = static_cast<int>(problem.loads.size());
  num_gpus = static_cast<int>(problem.slots_on.size());
  first_slot.Resize(num_gpus + 1);
  first_slot[0] = 0;
  for (int gpu = 0; gpu < num_gpus; ++gpu) {
    first_slot[gpu + 1] = first_slot[gpu] + problem.slots_on[static_cast<std::size_t>(gpu)];
  }
  num_slots = first_slot[num_gpus];
  speed.Copy(problem.speed);
  equal_speeds = std::ranges::adjacent_find(problem.speed, std::ranges::not_equal_to()) == problem.speed.end();
  unit_speeds = equal_speeds && speed[0] == 1.0;
  even_slots = std::ranges::adjacent_find(problem.slots_on, std::ranges::not_equal_to()) == problem.slots_on.end();

  const double total = std::accumulate(problem.loads.begin(), problem.loads.end(), 0.0);
  const double total_speed = std::accumulate(problem.speed.begin(), problem.speed.end(), 0.0);
  scale = total > 0 ? total_speed / total : 1.0;
  load.Copy(problem.loads);
  for (double& value : load) value *= scale;
  replicas.Assign(num_experts, 1);
  replica_load = load;

  gpu_of.Resize(num_slots);
  for (int gpu = 0; gpu < num_gpus; ++gpu) {
    std::fill(gpu_of.begin() + first_slot[gpu], gpu_of.begin() + first_slot[gpu + 1], gpu);
  }
  expert_in.Assign(num_slots, -1);
  slot_load.Assign(num_slots, 0.0F);
  gpu_load.Assign(num_gpus, 0.0);
}

int ReplicaLayout::Hottest() const {
  if (equal_speeds) return static_cast<int>(std::max_element(gpu_load.begin(), gpu_load.end()) - gpu_load.begin());
  int hottest = 0;
  for (int gpu = 1; gpu < num_gpus; ++gpu) {
    if (LoadPerSpeed(gpu) > LoadPerSpeed(hottest)) hottest = gpu;
  }
  return hottest;
}

void ReplicaLayout::SetReplicas(int expert, int count) {
  replicas[expert] = count;
  replica_load[expert] = load[expert] / count;
}

void ReplicaLayout::Exchange(int slot, int other_slot) {
  const double moved = replica_load[expert_in[slot]] - replica_load[expert_in[other_slot]];
  gpu_load[gpu_of[slot]] -= moved;
  gpu_load[gpu_of[other_slot]] += moved;
  std::swap(expert_in[slot], expert_in[other_slot]);
  std::swap(slot_load[slot], slot_load[other_slot]);
}

void ReplicaLayout::RecomputeLoads() {
  for (int gpu = 0; gpu < num_gpus; ++gpu) {
    double sum = 0;
    for (int slot = first_slot[gpu]; slot < first_slot[gpu + 1]; ++slot) {
      sum += replica_load[expert_in[slot]];
      slot_load[slot] = static_cast<float>(replica_load[expert_in[slot]]);
    }
    gpu_load[gpu] = sum;
  }
}

int ReplicaLayout::CountTwins() const {
  int twins = 0;
  for (int gpu = 0; gpu < num_gpus; ++gpu) {
    for (int slot = first_slot[gpu]; slot < first_slot[gpu + 1]; ++slot) {
      twins +=
          static_cast<int>(std::count(expert_in.begin() + first_slot[gpu], expert_in.begin() + slot, expert_in[slot]));
    }
  }
  return twins;
}

}  // namespace eplb
