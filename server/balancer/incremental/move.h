#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_H_

#include <array>
#include <cstdint>

namespace eplb {

// A slot that gets another expert (or is emptied).
struct SlotChange {
  std::int32_t slot = 0;
  std::int32_t expert = 0;  // or kEmptySlot

  bool operator==(const SlotChange&) const = default;
};

// How urgent a move is: those of a higher urgency are made first, whatever the others would gain.
enum class MoveUrgency {
  kBalance,   // gains balance
  kRepair,    // restores the wanted number of replicas or their spread over nodes
  kCoverage,  // brings an expert back that no usable GPU holds; never refused by a budget
};

// The smallest change of a layer that is worth making as one: one slot replaced, or two slots exchanged.
struct Move {
  std::array<SlotChange, 2> changes = {};
  int num_changes = 0;  // 0: no move
  int fetches = 0;      // weights that a GPU must fetch for it
  double gain = 0;      // by which the layer's potential falls, in tokens; may be negative for repairs
  double noise = 0;     // standard deviation of that gain for what noise is left in the loads: see LoadPotential
  MoveUrgency urgency = MoveUrgency::kBalance;

  bool operator==(const Move&) const = default;
};

// The best move that a search has found so far.
struct BestMove {
  double rate = 0;  // gain per fetch that another has to exceed; of what the move's gain is in
  Move move = {};
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_MOVE_H_
