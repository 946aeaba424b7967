#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/at.h"
#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"

namespace eplb {

// What one replica more or fewer of an expert does to the GPUs that hold the others, summed over the samples.
//
// Most experts have one replica, and are worth no more to their GPU than its whole term, which is next to nothing but
// on the fullest GPUs. So these are only valued on request, GPU by GPU, where that bound does not settle the matter.
// Powers are kept from one measurement to the next for the GPUs that have not changed meanwhile.
//
// Owns its buffers; not thread-safe; keeps references.
class ReplicaValues {
 public:
  ReplicaValues(const LayerSlots& slots, const LoadPotential& potential);

  // Brings the values up to date with the potential's last measurement: of experts with several replicas, and of all
  // experts on the GPUs given.
  void Measure(std::span<const std::int32_t> gpus);

  // What all GPUs that hold the expert gain by one replica more elsewhere; at least 0. Known where the expert has
  // several replicas, or its GPU has been valued.
  double value(int expert) const { return At(value_, expert); }
  // An expert of the largest value of all, the first of several.
  int MostValued();
  // Calls visit(expert) for each expert of a value above the limit, in order.
  template <typename Visit>
  void ForEachAbove(double limit, Visit&& visit) {
    for (int gpu = 0; gpu < slots_.topology().num_gpus(); ++gpu) {
      if (At(term_, gpu) > limit) ValueGpu(gpu);
    }
    for (int expert = 0; expert < slots_.num_experts(); ++expert) {
      if (value(expert) > limit) visit(expert);
    }
  }
  // The part of a value of the GPU of one slot that holds the expert; known where the value is.
  double value_in(int slot) const { return At(value_in_, slot); }

  // The slots of a GPU whose experts have other replicas, in order. Of these slots are also known:
  std::span<const std::int32_t> replicated_on(int gpu) const {
    const auto first = replicated_.begin();
    return {first + At(first_replicated_, gpu), first + At(first_replicated_, gpu + 1)};
  }
  // What the slot's GPU loses if another replica of the slot's expert goes.
  double loss_in(int slot) const { return At(loss_in_, slot); }
  // What the GPUs of the expert's other replicas lose if that in the slot goes.
  double loss_elsewhere(int slot, int expert) const { return At(loss_, expert) - At(loss_in_, slot); }
  // Of the slot's GPU without the slot's expert: power, and its derivative in the first sample.
  double emptied_power(int slot, int sample) const {
    return At(emptied_power_, sample * slots_.topology().num_slots() + slot);
  }
  double emptied_slope(int slot) const { return At(emptied_slope_, slot); }

 private:
  void FindReplicated();
  void MeasureReplicated(int slot, int gpu);
  void ValueGpu(int gpu);
  void ValueReplicated(int slot, int gpu);
  void TakeIn(std::int32_t expert);
  double EasedPower(int expert, int gpu, int sample) const;

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  std::int64_t measurement_ = 0;                            // of the potential, that the powers are of
  std::vector<std::int32_t> replicated_, last_replicated_;  // slots whose experts have other replicas, in order
  std::vector<std::int32_t> first_replicated_;              // [gpus + 1] index in replicated_
  int most_valued_ = 0;                                     // of the experts taken in
  double most_value_ = 0;
  std::vector<double> term_;         // [gpus] over all samples; -1: valued, or excluded
  std::vector<double> value_;        // [experts] 0 where not known
  std::vector<double> value_in_;     // [slots]
  std::vector<double> loss_in_;      // [slots]
  std::vector<double> loss_;         // [experts] sum of loss_in over its slots, where it has several
  std::vector<double> eased_power_;  // [samples, slots] of the slot's GPU with one replica more of its expert elsewhere
  std::vector<double> loaded_power_;   // [samples, slots] with one replica less
  std::vector<double> emptied_power_;  // [samples, slots]
  std::vector<double> emptied_slope_;  // [slots]
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_
