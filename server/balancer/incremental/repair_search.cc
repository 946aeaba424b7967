#include "server/balancer/incremental/repair_search.h"

#include <algorithm>

namespace eplb {

Move RepairSearch::FindNext() {
  if (slots_.used_slots() > slots_.slot_budget()) {
    if (const Move move = DropExcess(); move.num_changes > 0) return move;
  }
  if (const Move move = Cover(); move.num_changes > 0) return move;
  if (constraints_.honour_groups) {
    if (const Move move = BringHome(); move.num_changes > 0) return move;
    if (const Move move = ReplaceStray(); move.num_changes > 0) return move;
  }
  return Replicate();
}

bool RepairSearch::Spare(int slot, MoveUrgency urgency) const {
  if (slots_.expert_in(slot) == kEmptySlot) return slots_.FillableSlot(slots_.topology().gpu_of_slot(slot)) == slot;
  return urgency == MoveUrgency::kCoverage ? slots_.MayDropForCoverage(slot) : slots_.MayDrop(slot);
}

Move RepairSearch::DropExcess() {
  Move best;
  for (const bool within_rules : {true, false}) {
    for (int slot = 0; slot < slots_.topology().num_slots(); ++slot) {
      if (slots_.expert_in(slot) == kEmptySlot) continue;
      if (!(within_rules ? slots_.MayDrop(slot) : slots_.MayDropForCoverage(slot))) continue;
      const double gain = moves_.GainOfEmptying(slot);
      if (best.num_changes > 0 && gain <= best.gain) continue;
      best = Move{.changes = {{{slot, kEmptySlot}, {}}},
                  .num_changes = 1,
                  .fetches = 0,
                  .gain = gain,
                  .urgency = MoveUrgency::kCoverage};
    }
    if (best.num_changes > 0) break;
  }
  return best;
}

Move RepairSearch::Cover() {
  if (slots_.missing_experts() == 0) return Move{};
  for (std::int32_t expert = 0; expert < slots_.num_experts(); ++expert) {
    if (slots_.replicas(expert) > 0) continue;
    if (const Move move = Place(expert, false, MoveUrgency::kCoverage); move.num_changes > 0) return move;
    if (const Move move = CoverByChain(expert); move.num_changes > 0) return move;
    if (const Move move = CoverAnywhere(expert); move.num_changes > 0) return move;
  }
  return Move{};
}

Move RepairSearch::CoverByChain(std::int32_t expert) {
  // The node of the expert's group has nothing to spare, but a stray that may go elsewhere: home at best.
  const Topology& topology = slots_.topology();
  Move best;
  bool best_is_home = false;
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    if (!slots_.Strays(slot) || !slots_.MayPlace(topology.gpu_of_slot(slot), expert)) continue;
    const std::int32_t moved = slots_.expert_in(slot);
    for (int spare = 0; spare < topology.num_slots(); ++spare) {
      const int gpu = topology.gpu_of_slot(spare);
      if (slots_.expert_in(spare) == moved || !slots_.MayPlaceOffHome(gpu, moved)) continue;
      const bool is_home = slots_.AtHome(gpu, moved);
      if ((best.num_changes > 0 && is_home <= best_is_home) || !Spare(spare, MoveUrgency::kCoverage)) continue;
      best = Move{.changes = {{{spare, moved}, {slot, expert}}},
                  .num_changes = 2,
                  .fetches = 2,
                  .gain = moves_.GainOfReplacing(spare, moved),
                  .urgency = MoveUrgency::kCoverage};
      best_is_home = is_home;
      if (is_home) return best;
    }
  }
  return best;
}

Move RepairSearch::CoverAnywhere(std::int32_t expert) {
  Move best;
  for (int slot = 0; slot < slots_.topology().num_slots(); ++slot) {
    if (!slots_.MayPlaceOffHome(slots_.topology().gpu_of_slot(slot), expert)) continue;
    if (!Spare(slot, MoveUrgency::kCoverage)) continue;
    const double gain = moves_.GainOfReplacing(slot, expert);
    if (best.num_changes > 0 && gain <= best.gain) continue;
    best = Move{.changes = {{{slot, expert}, {}}},
                .num_changes = 1,
                .fetches = 1,
                .gain = gain,
                .urgency = MoveUrgency::kCoverage};
  }
  return best;
}

Move RepairSearch::BringHome() {
  for (int slot = 0; slot < slots_.topology().num_slots(); ++slot) {
    if (!slots_.Strays(slot)) continue;
    if (slots_.CountAtHome(slots_.expert_in(slot)) >= std::max(1, constraints_.min_replicas)) continue;
    Move move = BringHome(slot);
    if (move.num_changes == 0) move = Exchange(slot);
    if (move.num_changes > 0) return move;
  }
  return Move{};
}

bool RepairSearch::MakesWay(int slot) const {
  // One slot is emptied for each that is filled, so that the slot budget stays as it is.
  const std::int32_t expert = slots_.expert_in(slot);
  if (expert == kEmptySlot) return true;
  if (!slots_.MayDrop(slot)) return false;
  return slots_.Strays(slot) || slots_.CountAtHome(expert) > std::max(1, constraints_.min_replicas);
}

Move RepairSearch::BringHome(int stray) {
  const Topology& topology = slots_.topology();
  const std::int32_t expert = slots_.expert_in(stray);
  Move best;
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    if (!slots_.MayPlace(topology.gpu_of_slot(slot), expert) || !MakesWay(slot)) continue;
    const double gain = moves_.GainOfReplacing(slot, expert);
    if (best.num_changes > 0 && gain <= best.gain) continue;
    best = Move{.changes = {{{slot, expert}, {stray, kEmptySlot}}},
                .num_changes = 2,
                .fetches = 1,
                .gain = gain,
                .urgency = MoveUrgency::kRepair};
  }
  return best;
}

Move RepairSearch::Exchange(int stray) {
  const Topology& topology = slots_.topology();
  const std::int32_t expert = slots_.expert_in(stray);
  const int stray_gpu = topology.gpu_of_slot(stray);
  Move best;
  bool best_is_home = false;
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    const std::int32_t other = slots_.expert_in(slot);
    if (!slots_.Strays(slot) || !slots_.MayPlace(topology.gpu_of_slot(slot), expert)) continue;
    if (!slots_.MayPlaceOffHome(stray_gpu, other)) continue;
    const bool is_home = slots_.AtHome(stray_gpu, other);
    if (best.num_changes > 0 && is_home <= best_is_home) continue;
    best = Move{.changes = {{{slot, expert}, {stray, other}}},
                .num_changes = 2,
                .fetches = 2,
                .gain = 0,
                .urgency = MoveUrgency::kRepair};
    best_is_home = is_home;
  }
  return best;
}

Move RepairSearch::ReplaceStray() {
  const Topology& topology = slots_.topology();
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    if (!slots_.Strays(slot)) continue;
    if (slots_.CountAtHome(slots_.expert_in(slot)) < std::max(1, constraints_.min_replicas)) continue;
    Move best{.changes = {{{slot, kEmptySlot}, {}}},
              .num_changes = 1,
              .fetches = 0,
              .gain = moves_.GainOfEmptying(slot),
              .urgency = MoveUrgency::kRepair};
    bool fills = false;
    for (std::int32_t expert = 0; expert < slots_.num_experts(); ++expert) {
      if (!slots_.MayPlace(topology.gpu_of_slot(slot), expert)) continue;
      const double gain = moves_.GainOfReplacing(slot, expert);
      if (fills && gain <= best.gain) continue;
      best = Move{.changes = {{{slot, expert}, {}}},
                  .num_changes = 1,
                  .fetches = 1,
                  .gain = gain,
                  .urgency = MoveUrgency::kRepair};
      fills = true;
    }
    return best;
  }
  return Move{};
}

Move RepairSearch::Replicate() {
  if (constraints_.min_replicas <= 1 && constraints_.min_nodes_per_expert <= 1) return Move{};
  const int wanted = std::max(constraints_.min_replicas, constraints_.min_nodes_per_expert);
  for (std::int32_t expert = 0; expert < slots_.num_experts(); ++expert) {
    const bool too_few = slots_.replicas(expert) < wanted;
    const bool too_near =
        constraints_.min_nodes_per_expert > 1 && slots_.CountNodes(expert) < constraints_.min_nodes_per_expert;
    if (!too_few && !too_near) continue;
    Move move = Place(expert, too_near, MoveUrgency::kRepair);
    if (move.num_changes == 0) move = PlaceByChain(expert, too_near, MoveUrgency::kRepair);
    if (move.num_changes > 0) return move;
  }
  return Move{};
}

bool RepairSearch::Fits(int slot, std::int32_t expert, bool new_node) const {
  const Topology& topology = slots_.topology();
  const int gpu = topology.gpu_of_slot(slot);
  return slots_.MayPlace(gpu, expert) && !(new_node && slots_.HoldsOnNode(topology.node_of_gpu(gpu), expert));
}

Move RepairSearch::Place(std::int32_t expert, bool new_node, MoveUrgency urgency) {
  Move best;
  for (int slot = 0; slot < slots_.topology().num_slots(); ++slot) {
    if (!Fits(slot, expert, new_node) || !Spare(slot, urgency)) continue;
    const double gain = moves_.GainOfReplacing(slot, expert);
    if (best.num_changes > 0 && gain <= best.gain) continue;
    best = Move{.changes = {{{slot, expert}, {}}}, .num_changes = 1, .fetches = 1, .gain = gain, .urgency = urgency};
  }
  return best;
}

Move RepairSearch::PlaceByChain(std::int32_t expert, bool new_node, MoveUrgency urgency) {
  // The spare slot takes over another expert, whose own slot then takes the needed one.
  const Topology& topology = slots_.topology();
  for (int spare = 0; spare < topology.num_slots(); ++spare) {
    if (topology.excluded(topology.gpu_of_slot(spare)) || !Spare(spare, urgency)) continue;
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      const std::int32_t moved = slots_.expert_in(slot);
      if (moved == kEmptySlot || moved == expert || moved == slots_.expert_in(spare)) continue;
      const int gpu = topology.gpu_of_slot(spare);
      if (!Fits(slot, expert, new_node) || !slots_.MayPlace(gpu, moved) || !slots_.KeepsSpread(slot, gpu)) continue;
      const double gain = moves_.GainOfReplacing(spare, moved);
      return Move{.changes = {{{spare, moved}, {slot, expert}}},
                  .num_changes = 2,
                  .fetches = 2,
                  .gain = gain,
                  .urgency = urgency};
    }
  }
  return Move{};
}

}  // namespace eplb
