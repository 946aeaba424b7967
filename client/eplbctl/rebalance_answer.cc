#include "client/eplbctl/rebalance_answer.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/rebalance_messages.h"
#include "server/balancer/balance_metrics.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/plan_options_message.h"

namespace eplb {
namespace {

// INTERNAL where one is no transfer of these layers and slots: it would be written to a file that programs act by.
absl::StatusOr<std::vector<Transfer>> ReadTransfers(const v1::RebalanceResponse& response, const RebalanceTask& task) {
  std::vector<Transfer> transfers;
  for (const v1::Transfer& message : response.transfers()) {
    const auto layer = std::lower_bound(task.model_layers.begin(), task.model_layers.end(), message.model_layer());
    const int slots = task.topology.num_slots();
    const bool valid = layer != task.model_layers.end() && *layer == message.model_layer() && message.expert() >= 0 &&
                       message.source_slot() >= -1 && message.source_slot() < slots && message.target_slot() >= 0 &&
                       message.target_slot() < slots && message.step() >= 0 &&
                       (transfers.empty() || message.step() >= transfers.back().step);
    if (!valid) return absl::InternalError("the answer has a transfer that is none: " + message.ShortDebugString());
    transfers.push_back({.layer = static_cast<int>(layer - task.model_layers.begin()),
                         .expert = message.expert(),
                         .source_slot = message.source_slot(),
                         .target_slot = message.target_slot(),
                         .step = message.step()});
  }
  return transfers;
}

// INTERNAL where it is no inverse map of these experts and slots.
absl::StatusOr<std::vector<RoutingRow>> ReadRouting(const v1::RebalanceResponse& response, const RebalanceTask& task) {
  std::vector<RoutingRow> rows;
  for (const v1::LayerPlacement& layer : response.layers()) {
    RoutingRow row;
    auto next = layer.logical_to_physical().begin();
    for (const std::int32_t count : layer.logical_to_physical_count()) {
      if (count < 1 || count > layer.logical_to_physical().end() - next) break;
      row.emplace_back(next, next + count);
      next += count;
    }
    const bool valid =
        std::ssize(row) == task.samples.front().loads.num_experts() && next == layer.logical_to_physical().end() &&
        std::ranges::all_of(layer.logical_to_physical(),
                            [&](std::int32_t slot) { return slot >= 0 && slot < task.topology.num_slots(); });
    if (!valid) {
      return absl::InternalError(
          absl::StrCat("the answer's logical_to_physical of model layer ", layer.model_layer(), " is no inverse map"));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Over all layers, as balance_metrics.h has them for one: also from the contiguous layout, of which a server knows
// nothing.
int FetchesOfAll(const Placement& before, const Placement& after, const Topology& topology) {
  int sum = 0;
  for (int layer = 0; layer < after.num_layers(); ++layer) {
    sum += CountFetches(before.layer(layer), after.layer(layer), topology);
  }
  return sum;
}

}  // namespace

v1::RebalanceRequest RequestFor(const RebalanceTask& task) {
  return MakeRebalanceRequest({.model_layers = task.model_layers,
                               .topology = &task.topology_options,
                               .samples = task.samples,
                               .current = task.has_current ? &task.before : nullptr,
                               .constraints = task.constraints,
                               .options = task.options,
                               .gate = task.gate,
                               .max_routing_entries = task.max_routing_entries});
}

absl::StatusOr<RebalanceResult> ResultFromResponse(const v1::RebalanceResponse& response, const RebalanceTask& task) {
  EPLB_ASSIGN_OR_RETURN(Placement placement,
                        PlacementFromResponse(response, task.model_layers, task.samples.front().loads.num_experts(),
                                              task.topology.num_slots()));
  const v1::PlanSummary& summary = response.summary();
  const std::optional<Policy> policy = PolicyFromMessage(response.policy());
  RebalanceResult result{.policy = policy ? std::string(PolicyName(*policy)) : v1::Policy_Name(response.policy()),
                         .placement = std::move(placement)};
  for (const v1::LayerPlacement& layer : response.layers()) {
    result.slot_shares.insert(result.slot_shares.end(), layer.slot_shares().begin(), layer.slot_shares().end());
  }
  result.balancedness_before = summary.balancedness_before();
  result.balancedness_after = summary.balancedness_after();
  result.worst_before = summary.worst_balancedness_before();
  result.worst_after = summary.worst_balancedness_after();
  result.step_time_before = summary.step_time_before();
  result.step_time_after = summary.step_time_after();
  result.lower_bound_step_time = summary.lower_bound_step_time();
  result.twins_before = static_cast<int>(summary.twins_before());
  result.twins_after = static_cast<int>(summary.twins_after());
  EPLB_ASSIGN_OR_RETURN(result.transfers, ReadTransfers(response, task));
  if (task.max_routing_entries > 0) {
    EPLB_ASSIGN_OR_RETURN(result.routing, ReadRouting(response, task));
  }
  if (task.gate)
    result.gate =
        GateVerdict{.gain_gpu_seconds = summary.gain_gpu_seconds(), .cost_gpu_seconds = summary.cost_gpu_seconds()};
  result.fetches = FetchesOfAll(task.before, result.placement, task.topology);
  result.compute_ms = absl::ToDoubleMilliseconds(ReadDuration(response.compute_duration()));
  return result;
}

}  // namespace eplb
