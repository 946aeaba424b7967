#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_HOT_GPUS_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_HOT_GPUS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"

namespace eplb {

// The few usable GPUs whose terms are largest for their speed, which exchanges start from, and where it matters what
// two experts have in common. More find little: what happens between GPUs that are far from the fullest gains little of
// a power mean.
//
// Owns its buffers; not thread-safe; keeps references.
class HotGpus {
 public:
  HotGpus(const LayerSlots& slots, const LoadPotential& potential);

  // Brings them up to date with the potential's last measurement.
  void Rank();

  // Falling, the lower GPU first of equal ones; at least one.
  std::span<const std::int32_t> gpus() const { return gpus_; }

 private:
  struct Found {
    double heat;
    std::int32_t gpu;

    bool IsHotterThan(const Found& other) const {
      return (heat > other.heat) | ((heat == other.heat) & (gpu < other.gpu));
    }
  };

  double HeatOf(int gpu) const;
  void TakeIn(std::int32_t gpu);
  void FindCoolest();

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  std::vector<double> heat_;  // [gpus] terms per unit of speed
  std::vector<std::int32_t> gpus_;
  std::vector<Found> found_;  // the same, in any order
  std::size_t coolest_ = 0;   // in found_
  double least_heat_ = 0;     // that one needs to be among them
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_HOT_GPUS_H_
