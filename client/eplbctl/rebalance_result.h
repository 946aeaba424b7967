#ifndef EPLB_CLIENT_EPLBCTL_REBALANCE_RESULT_H_
#define EPLB_CLIENT_EPLBCTL_REBALANCE_RESULT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/balancer/balancer.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/model/transfer.h"
#include "server/planner/plan_settings.h"

namespace eplb {

// What `eplbctl rebalance` asks, whoever plans.
struct RebalanceTask {
  std::string description;  // of the loads, for people
  std::vector<LoadSample> samples;
  std::vector<int> model_layers;  // [layers] absolute indices
  Topology topology;
  TopologyOptions topology_options;  // what topology was made from
  Placement before;                  // the placement in force, or the contiguous layout
  bool has_current = false;          // before is in force: plan from it
  RebalanceOptions options;
  PlacementConstraints constraints;
  std::optional<PlanOverrides> gate = {};  // unset: every move that gains is made
  int max_routing_entries = 0;             // 0: no inverse map is asked for
};

// The slots of each expert of one layer, [experts][entries], as LayerPlacement.logical_to_physical has them.
using RoutingRow = std::vector<std::vector<std::int32_t>>;

// What a gate weighed, in GPU-seconds.
struct GateVerdict {
  double gain_gpu_seconds = 0;  // predicted, over the horizon
  double cost_gpu_seconds = 0;  // of the transfers
};

// The answer. Balances are defined in server/balancer/balance_metrics.h.
struct RebalanceResult {
  std::string policy;
  Placement placement;
  std::vector<double> slot_shares = {};  // [layers x slots] part of its expert's traffic for each; empty: equal parts
  std::vector<RoutingRow> routing = {};  // [layers]; empty where none was asked for
  std::optional<GateVerdict> gate = {};  // unset: none was asked for
  double balancedness_before = 1;
  double balancedness_after = 1;
  double worst_before = 1;
  double worst_after = 1;
  double step_time_before = 1;
  double step_time_after = 1;
  double lower_bound_step_time = 1;
  int twins_before = 0;
  int twins_after = 0;
  int fetches = 0;  // from task.before
  // The way from the current placement, steps rising; empty where there is none.
  std::vector<Transfer> transfers = {};
  double compute_ms = 0;
};

// The result as JSON, keys as documented in eplbctl rebalance --help; numbers as precise as they are.
std::string RebalanceResultJson(const RebalanceResult& result);

// Steps that the transfers take.
int TransferSteps(const std::vector<Transfer>& transfers);

// The transfers in order, for the program that makes them: one object or row each, with model_layer, expert,
// source_slot, target_slot and step, as Transfer in the API has them.
std::string TransfersJson(const std::vector<Transfer>& transfers, const std::vector<int>& model_layers);
std::string TransfersCsv(const std::vector<Transfer>& transfers, const std::vector<int>& model_layers);

// The result as a table for people.
std::string RebalanceResultTable(const RebalanceTask& task, const RebalanceResult& result, bool colour);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REBALANCE_RESULT_H_
