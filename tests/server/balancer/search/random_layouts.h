#ifndef EPLB_TESTS_SERVER_BALANCER_SEARCH_RANDOM_LAYOUTS_H_
#define EPLB_TESTS_SERVER_BALANCER_SEARCH_RANDOM_LAYOUTS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "server/balancer/search/first_layout.h"
#include "server/balancer/search/replica_counts.h"
#include "server/balancer/search/replica_layout.h"
#include "server/balancer/search/twin_repair.h"
#include "server/base/index.h"
#include "tests/support/random_problem.h"

namespace eplb::testing {

// A packing problem that owns what it is made of.
struct OwnedProblem {
  std::vector<double> loads;
  std::vector<std::int32_t> slots_on;
  std::vector<double> speed;

  PackingProblem get(int min_replicas = 1) const {
    return {.loads = loads, .slots_on = slots_on, .speed = speed, .min_replicas = min_replicas};
  }
};

// Even slots and equal speeds, or neither.
inline OwnedProblem RandomPacking(bool uniform, RandomProblems* random) {
  OwnedProblem problem;
  const int experts = random->Int(4, 40);
  const int gpus = random->Int(2, 8);
  const int even = std::min(experts, (experts + gpus - 1) / gpus + random->Int(0, 2));
  const LoadMatrix loads = random->Loads(1, experts);
  problem.loads.assign(loads.layer(0).begin(), loads.layer(0).end());
  for (int gpu = 0; gpu < gpus; ++gpu) {
    problem.slots_on.push_back(uniform ? even : std::min(experts, even + random->Int(0, 2)));
    problem.speed.push_back(uniform ? 1.0 : 0.5 + random->Unit());
  }
  return problem;
}

// The greedy counts placed longest first, twins taken apart.
inline ReplicaLayout StartOf(const PackingProblem& problem) {
  ReplicaLayout layout;
  layout.Reset(problem);
  ReplicaCounts().Run(problem.min_replicas, &layout);
  FirstLayout().LongestFirst(std::numeric_limits<double>::infinity(), &layout);
  RepairTwins(problem.min_replicas, &layout);
  return layout;
}

// Whether the loads that the layout keeps are those of its slots, every replica is in a slot, and none meets its twin.
inline bool IsSound(const ReplicaLayout& layout) {
  ReplicaLayout fresh = layout;
  std::vector<std::int32_t> held(Index(layout.num_experts), 0);
  for (const std::int32_t expert : layout.expert_in) ++held[Index(expert)];
  fresh.RecomputeLoads();
  for (int gpu = 0; gpu < layout.num_gpus; ++gpu) {
    if (std::abs(fresh.gpu_load[gpu] - layout.gpu_load[gpu]) > 1e-5) return false;
  }
  for (int slot = 0; slot < layout.num_slots; ++slot) {
    if (fresh.slot_load[slot] != layout.slot_load[slot]) return false;
  }
  return std::ranges::equal(held, layout.replicas) && layout.CountTwins() == 0;
}

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SERVER_BALANCER_SEARCH_RANDOM_LAYOUTS_H_
