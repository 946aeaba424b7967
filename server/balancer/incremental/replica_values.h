#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/at.h"
#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"

namespace eplb {

// What one replica more or fewer of an expert does to the GPUs that hold the others, summed over the samples. Kept from
// one measurement to the next for the GPUs that have not changed meanwhile.
//
// Owns its buffers; not thread-safe; keeps references.
class ReplicaValues {
 public:
  ReplicaValues(const LayerSlots& slots, const LoadPotential& potential) : slots_(slots), potential_(potential) {}

  // Brings the values up to date with the potential's last measurement.
  void Measure();

  // What all GPUs that hold the expert gain by one replica more elsewhere.
  double value(int expert) const { return At(value_, expert); }
  std::span<const double> values() const { return value_; }  // [experts]
  int most_valued() const { return most_valued_; }           // the first expert of the largest value
  // The part of it of the GPU of one slot that holds the expert.
  double value_in(int slot) const { return At(value_in_, slot); }
  // What the GPU of a slot loses if another replica of the slot's expert goes; there must be another.
  double loss_in(int slot) const { return At(loss_in_, slot); }
  // Of the slot's GPU without the slot's expert, where there are other replicas of it: power, and its derivative in the
  // first sample.
  double emptied_power(int slot, int sample) const {
    return At(emptied_power_, sample * slots_.topology().num_slots() + slot);
  }
  double emptied_slope(int slot) const { return At(emptied_slope_, slot); }

 private:
  void MeasurePowers(int gpu);
  int MostValued() const;

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  std::int64_t measurement_ = 0;  // of the potential, that the powers are of
  int most_valued_ = 0;
  std::vector<double> value_;
  std::vector<double> value_in_;
  std::vector<double> loss_in_;
  std::vector<double> eased_power_;  // [samples, slots] of the slot's GPU with one replica more of its expert elsewhere
  std::vector<double> loaded_power_;   // [samples, slots] with one replica less, where there are others
  std::vector<double> emptied_power_;  // [samples, slots]
  std::vector<double> emptied_slope_;  // [slots]
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_
