#ifndef EPLB_SERVER_BALANCER_BALANCE_METRICS_H_
#define EPLB_SERVER_BALANCER_BALANCE_METRICS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// How even the load of the GPUs is.
//
// The replicas of an expert share its load evenly, so in one layer the load of GPU g, in tokens, is
//   load(g) = sum over the slots s of g that hold an expert e = physical_to_logical[s] of load[e] / replicas(e),
// divided by the GPU's relative speed: what counts is the time a GPU takes. Excluded GPUs hold nothing and are not
// counted. With the mean and the maximum taken over the GPUs that are not excluded:
//   balancedness = mean / max, in (0, 1]; 1 where nothing has load;
//   step time    = sum over layers of max / sum over layers of mean, >= 1: what serving pays, since every layer waits
//                  for its slowest GPU. 1 where nothing has load.
// The mean is the one that perfect balance would give, total load / total speed, so that it does not depend on the
// placement. With equal speeds it is the plain mean.
//
// Worked example: two layers on two GPUs that carry 100 and 200 in each layer: the mean is 150, the maximum 200,
// balancedness 0.75 in both layers, step time 400 / 300 = 1.333.
struct LayerBalance {
  double mean = 0;  // tokens per unit of speed
  double max = 0;   // same

  // Clamped to 1: load that only excluded GPUs hold is in the mean but on no counted GPU.
  double balancedness() const { return max > mean ? mean / max : 1.0; }
  bool operator==(const LayerBalance&) const = default;
};

// Measures layer after layer without allocating. Not thread-safe; keeps a reference to the topology.
class BalanceMeter {
 public:
  explicit BalanceMeter(const Topology& topology);

  // slots: [num_slots]; loads: [num_experts]. An expert that is only on excluded GPUs contributes to the mean alone.
  LayerBalance Measure(std::span<const std::int32_t> slots, std::span<const double> loads);
  // The same where replicas take the given parts of their expert's load. slot_shares: [num_slots], >= 0, the parts of
  // an expert's slots adding up to 1; what slots on excluded GPUs would take goes to the others in proportion. Empty:
  // equal parts.
  LayerBalance Measure(std::span<const std::int32_t> slots, std::span<const double> loads,
                       std::span<const double> slot_shares);

  // Load over speed of each GPU in the layer measured last: [num_gpus], 0 for excluded ones.
  std::span<const double> gpu_load() const { return gpu_load_; }

 private:
  // part(slot): what the slot takes, in proportion.
  template <typename Part>
  LayerBalance MeasureParts(std::span<const std::int32_t> slots, std::span<const double> loads, const Part& part);

  const Topology& topology_;
  double usable_speed_ = 0;
  std::vector<double> gpu_load_;
  std::vector<double> share_;  // [experts] replicas, then load per replica; or parts, then load per part
};

// Balance of every layer; the shapes must agree. slot_shares: [layers x slots] as in Measure; empty: equal parts.
std::vector<LayerBalance> MeasureBalance(const Placement& placement, const LoadMatrix& loads, const Topology& topology,
                                         std::span<const double> slot_shares = {});

// One layer's part of slot_shares, [layers x slots]; empty where that is.
std::span<const double> LayerShares(std::span<const double> slot_shares, int layer, int num_slots);

// Unweighted mean and minimum of the layers' balancedness, and the step time, clamped to 1 as balancedness is. 1 for no
// layers.
double MeanBalancedness(std::span<const LayerBalance> layers);
double WorstBalancedness(std::span<const LayerBalance> layers);
double StepTime(std::span<const LayerBalance> layers);
// The step time of sums, over whatever it is told for, of the largest GPU loads and of the means; at least 1.
double StepTime(double max_sum, double mean_sum);

// Twins of a layer: replicas beyond the first of an expert on one GPU, over all GPUs; they take a slot and move no
// load.
int CountTwins(std::span<const std::int32_t> slots, const Topology& topology);

// Fetches of a layer: (GPU, expert) pairs of `after` that are not in `before`. Reordering within a GPU fetches nothing.
int CountFetches(std::span<const std::int32_t> before, std::span<const std::int32_t> after, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_BALANCE_METRICS_H_
