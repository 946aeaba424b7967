#ifndef EPLB_SERVER_MODEL_CONSTRAINTS_H_
#define EPLB_SERVER_MODEL_CONSTRAINTS_H_

#include <vector>

namespace eplb {

// Rules that a placement must keep besides holding every expert. Never two replicas of one expert on one GPU is no
// option but a rule of the optimizing policy.
struct PlacementConstraints {
  int min_replicas = 1;            // of every expert, on GPUs that are not excluded; >= 1
  int min_nodes_per_expert = 1;    // distinct nodes that hold each expert; 2 survives the loss of any one node
  bool honour_groups = false;      // all replicas of an expert group's experts on one node
  bool stable_local_slots = true;  // an expert that stays on its GPU keeps its slot; false: it need not
  std::vector<int> slot_budget_per_layer =
      {};  // [layers] slots that may be used, the rest stay empty; empty: all of them

  bool operator==(const PlacementConstraints&) const = default;
};

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_CONSTRAINTS_H_
