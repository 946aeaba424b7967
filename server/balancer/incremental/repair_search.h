#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_REPAIR_SEARCH_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_REPAIR_SEARCH_H_

#include <cstdint>
#include <optional>

#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/move.h"
#include "server/balancer/incremental/move_search.h"
#include "server/model/constraints.h"

namespace eplb {

// Finds the moves that a layer needs before its balance matters, most urgent first:
//   1. more slots are used than the layer's budget: the replica whose loss costs least is dropped (no fetch);
//   2. no usable GPU holds an expert (its GPUs died or are drained): it is put where that costs least;
//   3. groups are honoured and an expert has a replica off its group's node, and too few on it: that replica moves
//      there, where need be in exchange for an expert that strays itself;
//   4. the same, but there are enough on the node: the replica makes way for an expert of its own node;
//   5. an expert has fewer replicas than wanted, or they are on fewer nodes than wanted.
// A place is an empty slot or one whose expert can spare the replica. Where the only such slots are on GPUs that hold
// the needed expert already, or on nodes of other groups, a chain of two replacements frees another one; and an expert
// that no usable GPU holds is put off its group's node rather than nowhere. What else cannot be repaired is passed
// over: the slots may be too few for it.
//
// Not thread-safe; keeps references.
class RepairSearch {
 public:
  RepairSearch(const LayerSlots& slots, MoveSearch& moves, const PlacementConstraints& constraints)
      : slots_(slots), moves_(moves), constraints_(constraints) {}

  // The next repair, or one with num_changes 0 when there is none left that can be made.
  Move FindNext();

 private:
  Move DropExcess();
  Move Cover();
  Move CoverByChain(std::int32_t expert);
  Move CoverAnywhere(std::int32_t expert);
  Move BringHome();
  // Best move of the replica in `stray` to the node of its expert's group.
  Move BringHome(int stray);
  Move Exchange(int stray);
  Move ReplaceStray();
  bool MakesWay(int slot) const;
  Move Replicate();
  // Best place for one more replica of an expert, on a node that holds none where new_node.
  Move Place(std::int32_t expert, bool new_node, MoveUrgency urgency);
  Move PlaceByChain(std::int32_t expert, bool new_node, MoveUrgency urgency);
  bool Fits(int slot, std::int32_t expert, bool new_node) const;
  bool Spare(int slot, MoveUrgency urgency) const;

  const LayerSlots& slots_;
  MoveSearch& moves_;
  const PlacementConstraints& constraints_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_REPAIR_SEARCH_H_
