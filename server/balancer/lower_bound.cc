#include "server/balancer/lower_bound.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/base/check.h"

namespace eplb {
namespace {

struct Candidate {
  double load_per_replica;
  double load;
  int replicas;

  bool operator<(const Candidate& other) const { return load_per_replica < other.load_per_replica; }
};

double MinMaxReplicaLoad(std::span<const double> loads, int slots) {
  std::vector<Candidate> heap;
  heap.reserve(loads.size());
  for (const double load : loads) heap.push_back({load, load, 1});
  std::make_heap(heap.begin(), heap.end());
  for (int extra = slots - static_cast<int>(loads.size()); extra > 0; --extra) {
    std::pop_heap(heap.begin(), heap.end());
    Candidate& heaviest = heap.back();
    ++heaviest.replicas;
    heaviest.load_per_replica = heaviest.load / heaviest.replicas;
    std::push_heap(heap.begin(), heap.end());
  }
  return heap.front().load_per_replica;
}

}  // namespace

double LayerLowerBound(std::span<const double> loads, int slots, const Topology& topology) {
  EPLB_CHECK(!loads.empty() && slots >= static_cast<int>(loads.size()));
  double total_speed = 0;
  double top_speed = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    total_speed += topology.speed(gpu);
    top_speed = std::max(top_speed, topology.speed(gpu));
  }
  double total = 0;
  for (const double load : loads) total += load;
  return std::max(total / total_speed, MinMaxReplicaLoad(loads, slots) / top_speed);
}

}  // namespace eplb
