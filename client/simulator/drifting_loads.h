#ifndef EPLB_CLIENT_SIMULATOR_DRIFTING_LOADS_H_
#define EPLB_CLIENT_SIMULATOR_DRIFTING_LOADS_H_

#include <cstdint>
#include <span>
#include <vector>

namespace eplb {

// How made-up traffic behaves.
struct DriftOptions {
  int num_layers = 58;
  int num_experts = 256;
  int num_workloads = 4;           // each with expert popularities of its own
  double sigma = 1.0;              // of the lognormal popularities
  double drift = 0.02;             // how far the mixture of workloads wanders per second
  double shift_at = -1;            // second at which the mixture jumps to another workload; < 0: never
  double tokens_per_second = 1e6;  // per layer
  std::uint64_t seed = 1;
};

// Traffic of a fleet over time: a mixture of workloads whose shares wander and, once, jump. Deterministic for a seed.
// Not thread-safe.
class DriftingLoads {
 public:
  explicit DriftingLoads(const DriftOptions& options);

  // Moves to a time, in seconds from the start, not before the last one.
  void AdvanceTo(double seconds);
  // Tokens per second of each expert now: [layers x experts], row major.
  std::span<const double> rates() const { return rates_; }

 private:
  double Unit();
  double Normal();
  void Mix();

  const DriftOptions options_;
  std::uint64_t state_;
  std::vector<std::vector<double>> popularity_;  // [workloads][layers x experts], each layer sums to 1
  std::vector<double> preference_;               // [workloads] log shares of the mixture
  std::vector<double> rates_;
  double now_ = 0;
  bool shifted_ = false;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_DRIFTING_LOADS_H_
