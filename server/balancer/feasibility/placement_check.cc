#include "server/balancer/feasibility/placement_check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/index.h"

namespace eplb {
namespace {

// Checks layer after layer of one placement.
class PlacementChecker {
 public:
  PlacementChecker(const Placement& placement, const PlacementConstraints& constraints, const Topology& topology)
      : placement_(placement), constraints_(constraints), topology_(topology) {}

  absl::Status Run() {
    for (int layer = 0; layer < placement_.num_layers(); ++layer) CheckLayer(layer);
    return errors_.ToStatus();
  }

  bool Keeps(int layer) {
    CheckLayer(layer);
    return errors_.empty();
  }

 private:
  void CheckLayer(int layer) {
    const std::span<const std::int32_t> slots = placement_.layer(layer);
    const std::string field = absl::StrCat("layers[", layer, "].physical_to_logical");
    replicas_.assign(Index(placement_.num_experts()), 0);
    nodes_.assign(Index(placement_.num_experts()), {});
    int used = 0;
    for (int slot = 0; slot < topology_.num_slots(); ++slot) {
      const std::int32_t expert = slots[Index(slot)];
      if (expert == kEmptySlot) continue;
      ++used;
      const int gpu = topology_.gpu_of_slot(slot);
      if (topology_.excluded(gpu)) {
        errors_.Add(absl::StrCat(field, "[", slot, "]"), absl::StrCat(expert),
                    absl::StrCat("must be empty: GPU ", gpu, " is excluded"));
        continue;
      }
      ++replicas_[Index(expert)];
      std::vector<int>& nodes = nodes_[Index(expert)];
      if (std::ranges::find(nodes, topology_.node_of_gpu(gpu)) == nodes.end()) {
        nodes.push_back(topology_.node_of_gpu(gpu));
      }
    }
    const std::vector<int>& budgets = constraints_.slot_budget_per_layer;
    if (!budgets.empty() && used > budgets[Index(layer)]) {
      errors_.Add(field, absl::StrCat(used, " slots"),
                  absl::StrCat("must use at most ", budgets[Index(layer)], " slots"));
    }
    CheckExperts(field);
    if (constraints_.honour_groups) CheckGroupNodes(field);
  }

  void CheckExperts(const std::string& field) {
    for (std::size_t expert = 0; expert < replicas_.size(); ++expert) {
      if (replicas_[expert] < constraints_.min_replicas) {
        errors_.Add(field, absl::StrCat("expert ", expert, " has ", replicas_[expert], " usable replicas"),
                    absl::StrCat("must have at least ", constraints_.min_replicas));
      }
      if (static_cast<int>(nodes_[expert].size()) < constraints_.min_nodes_per_expert) {
        errors_.Add(field, absl::StrCat("expert ", expert, " is on ", nodes_[expert].size(), " nodes"),
                    absl::StrCat("must be on at least ", constraints_.min_nodes_per_expert));
      }
    }
  }

  void CheckGroupNodes(const std::string& field) {
    const std::size_t group_size = nodes_.size() / Index(topology_.num_groups());
    for (std::size_t expert = 0; expert < nodes_.size(); ++expert) {
      const std::vector<int>& first = nodes_[expert / group_size * group_size];
      if (nodes_[expert].size() == 1 && nodes_[expert] == first) continue;
      errors_.Add(field, absl::StrCat("expert ", expert, " of group ", expert / group_size),
                  "must have all replicas on the one node of its group");
    }
  }

  const Placement& placement_;
  const PlacementConstraints& constraints_;
  const Topology& topology_;
  FieldErrors errors_;
  std::vector<int> replicas_;            // [experts] on usable GPUs
  std::vector<std::vector<int>> nodes_;  // [experts] that hold it
};

}  // namespace

absl::Status CheckPlacement(const Placement& placement, const PlacementConstraints& constraints,
                            const Topology& topology) {
  EPLB_CHECK(placement.num_slots() == topology.num_slots());
  return PlacementChecker(placement, constraints, topology).Run();
}

bool KeepsRules(const Placement& placement, int layer, const PlacementConstraints& constraints,
                const Topology& topology) {
  EPLB_CHECK(placement.num_slots() == topology.num_slots());
  return PlacementChecker(placement, constraints, topology).Keeps(layer);
}

}  // namespace eplb
