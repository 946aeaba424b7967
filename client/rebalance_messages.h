#ifndef EPLB_CLIENT_REBALANCE_MESSAGES_H_
#define EPLB_CLIENT_REBALANCE_MESSAGES_H_

#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/balancer/balancer.h"
#include "server/model/constraints.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/planner/plan_settings.h"

namespace eplb {

// What a Rebalance with loads asks, in model types. Nothing is owned.
struct RebalanceQuestion {
  std::span<const int> model_layers;      // [layers] absolute indices
  const TopologyOptions* topology;        // its excluded GPUs are dead but for the draining ones
  std::span<const LoadSample> samples;    // loads are whole tokens; fractions are cut off
  const Placement* current = nullptr;     // the placement in force; null when there is none
  PlacementConstraints constraints = {};  // honour_groups travels with the options
  RebalanceOptions options = {};
  std::optional<PlanOverrides> gate = {};  // only the gate's fields count; unset: no gate
  int max_routing_entries = 0;             // of each expert in the inverse map; 0: leave it out
};

// The request that asks it. Slots that GPUs do not share evenly are stated GPU by GPU, as Topology deals them out.
v1::RebalanceRequest MakeRebalanceRequest(const RebalanceQuestion& question);

// The placement of an answer, checked against what was asked: INTERNAL where the server's answer is none for these
// layers, experts and slots.
absl::StatusOr<Placement> PlacementFromResponse(const v1::RebalanceResponse& response,
                                                std::span<const int> model_layers, int num_experts, int num_slots);

}  // namespace eplb

#endif  // EPLB_CLIENT_REBALANCE_MESSAGES_H_
