#ifndef EPLB_CLIENT_SIMULATOR_DRIFTING_LOADS_H_
#define EPLB_CLIENT_SIMULATOR_DRIFTING_LOADS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "client/files/normal_source.h"
#include "client/simulator/traffic.h"

namespace eplb {

// How made-up traffic behaves. The defaults give what was measured of DeepSeek-V3 (six workloads, 58 layers of 256
// experts): a step time of 2.1 to 2.9 under the contiguous layout of 288 slots on 32 GPUs; a standard deviation of log
// popularity of 0.6 over a mixture of workloads, some layers far more skewed than others; hot experts beside hot ones
// (correlation of log popularity 0.2 to 0.35 between neighbours, hardly less at a distance of eight, half at 32), for
// which the same layout with its experts shuffled would have a step time of only 1.7; and prefill and decode loads that
// correlate by 0.7.
struct DriftOptions {
  int num_layers = 58;
  int num_experts = 256;
  int num_workloads = 4;           // each with expert popularities of its own
  double sigma = 0.81;             // standard deviation of an expert's log popularity in one workload
  double sigma_spread = 0.25;      // of log sigma between layers
  double neighbour_share = 0.5;    // part of that variance that an expert has in common with its neighbours, in [0, 1]
  double neighbour_length = 64;    // experts over which what they have in common falls to 1/e
  double similarity = 0.7;         // correlation of log popularity between workloads, in [0, 1]
  double drift = 0.005;            // how far the mixture of workloads wanders per second
  double shift_at = -1;            // second at which the mixture jumps to another workload; < 0: never
  double tokens_per_second = 1e6;  // per layer
  std::uint64_t seed = 1;
};

// Traffic of a fleet over time: a mixture of workloads whose shares wander and, once, jump. Deterministic for a seed.
// Not thread-safe.
class DriftingLoads final : public Traffic {
 public:
  explicit DriftingLoads(const DriftOptions& options);

  void AdvanceTo(double seconds) override;
  std::span<const double> rates() const override { return rates_; }

 private:
  std::vector<double> LogPopularity();
  void Mix();

  const DriftOptions options_;
  NormalSource normal_;
  std::vector<std::vector<double>> popularity_;  // [workloads][layers x experts], each layer sums to 1
  std::vector<double> preference_;               // [workloads] log shares of the mixture
  std::vector<double> rates_;
  double now_ = 0;
  bool shifted_ = false;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_DRIFTING_LOADS_H_
