#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/at.h"
#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"

namespace eplb {

// What one replica more or fewer of an expert does to the GPUs that hold it, summed over the samples.
//
// What is known of a slot depends on its GPU alone. So it is kept from one measurement to the next for the GPUs that
// have not changed meanwhile, as long as their terms are scaled alike; and a GPU's slots are measured together, by
// loops without branches, which costs less than to pick those that matter.
//
// Owns its buffers; not thread-safe; keeps references.
class ReplicaValues {
 public:
  ReplicaValues(const LayerSlots& slots, const LoadPotential& potential);

  // Brings the values up to date with the potential's last measurement.
  void Measure();

  // What all GPUs that hold the expert gain by one replica more elsewhere; at least 0.
  double value(int expert) const { return At(sums_, expert).value; }

  // Of a slot's GPU: what it gains by one replica more of the slot's expert elsewhere, and loses if another replica of
  // it goes, that is 0 where there is no other. Nothing where the slot is empty.
  double value_in(int slot) const { return At(value_in_, slot); }
  double loss_in(int slot) const { return At(loss_in_, slot); }
  // What the other GPUs that hold the slot's expert lose so if the slot gets another; 0 where there are none. The slot
  // is not empty.
  double loss_elsewhere(int slot) const {
    const std::int32_t expert = slots_.expert_in(slot);
    if (slots_.HasTwins(expert)) return LossOffGpu(slot);
    const Sums& sums = At(sums_, expert);
    return sums.other_losses + (sums.most_loss - loss_in(slot));
  }
  // Amount of a GPU without one replica of an expert that it holds, or kEmptySlot.
  double EmptiedAmount(int gpu, std::int32_t expert, int sample) const {
    const double amount = potential_.amount(gpu, sample);
    if (expert == kEmptySlot) return amount;
    const double without = amount - potential_.charge(expert, sample);
    return slots_.HasTwins(expert) ? without + ExtraOfTwins(gpu, expert, sample) : without;
  }
  // Of a slot's GPU without what is in the slot: its term, by how much that is less, and the derivative in the first
  // sample.
  double emptied_term(int slot) const { return At(emptied_term_, slot); }
  double relief(int slot) const { return At(relief_, slot); }
  double emptied_slope(int slot) const { return At(emptied_slope_, slot); }

  // By how much one replica more of an expert of the GPU lessens what the expert is charged on the GPU and where the
  // new replica is, together: at most. Above 0 only where loads are uncertain.
  double most_saved(int gpu, int sample) const { return At(most_saved_, sample * slots_.topology().num_gpus() + gpu); }
  // The slots of a GPU whose experts have other replicas, in order.
  std::span<const std::int32_t> replicated_on(int gpu) const {
    return {replicated_.begin() + slots_.topology().first_slot(gpu),
            static_cast<std::size_t>(At(num_replicated_, gpu))};
  }

 private:
  // Of an expert. The largest loss is apart, so that the sum of all but one is never a small difference of large ones.
  struct Sums {
    double value = 0;
    double most_loss = 0;     // of one slot
    double other_losses = 0;  // of the others
  };

  // By which other replicas of the expert on the GPU get heavier with one less of them.
  double ExtraOfTwins(int gpu, std::int32_t expert, int sample) const;
  void GatherAmounts(int gpu, int sample);
  void MeasureTerms(int gpu, int sample);
  void FindReplicated(int gpu);
  void AddUpAll();
  void AddUp(int gpu);
  void AddUpSlot(int slot, Sums& sums) const;
  double LossOffGpu(int slot) const;

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  std::int64_t measurement_ = 0;  // of the potential, that the values are of
  std::vector<Sums> sums_;        // [experts]
  std::vector<double> value_in_;  // [slots], as those that follow
  std::vector<double> loss_in_;
  std::vector<double> emptied_term_;
  std::vector<double> relief_;
  std::vector<double> emptied_slope_;
  std::vector<double> most_saved_;            // [samples, gpus]
  std::vector<std::int32_t> replicated_;      // [slots] of each GPU the first num_replicated_ are used
  std::vector<std::int32_t> num_replicated_;  // [gpus]
  // Scratch: the amount of the slot's GPU with one replica more or less of the slot's expert elsewhere, and without it.
  std::vector<double> eased_;
  std::vector<double> loaded_;
  std::vector<double> emptied_;
  std::vector<int> changed_gpus_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_REPLICA_VALUES_H_
