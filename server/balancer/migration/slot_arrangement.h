#ifndef EPLB_SERVER_BALANCER_MIGRATION_SLOT_ARRANGEMENT_H_
#define EPLB_SERVER_BALANCER_MIGRATION_SLOT_ARRANGEMENT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/model/topology.h"

namespace eplb {

// Chooses the slots within each GPU when a planned layer replaces the current one: which experts a GPU holds, and how
// often, stays as planned; an expert that the GPU holds already keeps its slot (the lowest ones, if it holds several);
// the others take the slots that are left in the order of the plan, those that are empty now before those that another
// expert leaves, since filling an empty slot drops nothing. What remains is empty.
//
// Engines ask for it (vLLM-Ascend refuses a layout in which an expert that stays on its device changes its slot), and
// it makes every change of a slot a weight that really arrives.
//
// Owns its buffers; not thread-safe; keeps a reference to the topology.
class SlotArrangement {
 public:
  SlotArrangement(const Topology& topology, int num_experts);

  // current, planned: [num_slots]; arranged: [num_slots], overwritten; may be the same memory as planned.
  void Run(std::span<const std::int32_t> current, std::span<const std::int32_t> planned,
           std::span<std::int32_t> arranged);

 private:
  void ArrangeGpu(std::span<const std::int32_t> current, std::span<std::int32_t> arranged);

  const Topology& topology_;
  std::vector<std::int32_t> wanted_;   // [experts] copies still to be given a slot on this GPU
  std::vector<std::int32_t> planned_;  // the GPU's planned experts
  std::vector<std::int32_t> free_;     // slots of the GPU that no expert keeps
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_SLOT_ARRANGEMENT_H_
