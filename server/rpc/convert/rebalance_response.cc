#include "server/rpc/convert/rebalance_response.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/balancer/sample_mean.h"
#include "server/balancer/shares/entry_counts.h"
#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/contiguous_placement.h"
#include "server/planner/plan_reason.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/placement_message.h"
#include "server/rpc/convert/unchanged_reason_message.h"

namespace eplb {
namespace {

// Relative distance from a proven bound; 0 without load.
double GapRatio(double value, double bound) { return bound > 0 ? std::max(0.0, value / bound - 1.0) : 0.0; }

// What held back the plan as a whole; unspecified where any layer changed.
v1::UnchangedReason PlanReason(const RebalancePlan& plan, double min_balancedness) {
  std::vector<UnchangedReason> reasons;
  for (const LayerReport& layer : plan.layers) reasons.push_back(LayerUnchangedReason(layer, min_balancedness));
  if (std::ranges::find(reasons, UnchangedReason::kNone) != reasons.end()) return v1::UNCHANGED_REASON_UNSPECIFIED;
  return UnchangedReasonMessage(PlanUnchangedReason(reasons));
}

void WriteLayerBalance(const LayerReport& layer, int model_layer, double min_balancedness, v1::LayerBalance& message) {
  message.set_model_layer(model_layer);
  message.set_balancedness_before(layer.before.balancedness());
  message.set_balancedness_after(layer.after.balancedness());
  message.set_max_gpu_load_before(layer.before.max);
  message.set_max_gpu_load_after(layer.after.max);
  message.set_mean_gpu_load_before(layer.before.mean);
  message.set_mean_gpu_load_after(layer.after.mean);
  message.set_lower_bound_gpu_load(layer.lower_bound);
  message.set_gap_ratio(GapRatio(layer.after.max, layer.lower_bound));
  message.set_fetches(layer.fetches);
  message.set_twins_after(layer.twins);
  message.set_unchanged_reason(UnchangedReasonMessage(LayerUnchangedReason(layer, min_balancedness)));
}

std::int64_t CountAllTwins(const Placement& placement, const Topology& topology) {
  std::int64_t twins = 0;
  for (int layer = 0; layer < placement.num_layers(); ++layer) twins += CountTwins(placement.layer(layer), topology);
  return twins;
}

std::int64_t TwinsBefore(const PlanContext& context, const RebalancePlan& plan) {
  if (context.current != nullptr) return CountAllTwins(*context.current, context.topology);
  const absl::StatusOr<Placement> contiguous =
      ContiguousPlacement(plan.placement.num_layers(), plan.placement.num_experts(), context.topology);
  EPLB_CHECK(contiguous.ok());
  return CountAllTwins(*contiguous, context.topology);
}

void WriteSummary(const PlanContext& context, const RebalancePlan& plan, v1::PlanSummary& summary) {
  summary.set_balancedness_before(plan.balancedness_before());
  summary.set_balancedness_after(plan.balancedness_after());
  summary.set_worst_balancedness_before(plan.worst_balancedness_before());
  summary.set_worst_balancedness_after(plan.worst_balancedness_after());
  summary.set_step_time_before(plan.step_time_before());
  summary.set_step_time_after(plan.step_time_after());
  summary.set_lower_bound_step_time(plan.lower_bound_step_time());
  summary.set_gap_ratio(GapRatio(plan.step_time_after(), plan.lower_bound_step_time()));
  summary.set_twins_before(TwinsBefore(context, plan));
  summary.set_twins_after(plan.twins());
  summary.set_fetches(plan.fetches());
  summary.set_inter_node_fetches(CountTransfers(plan.transfers, context.topology).inter_node_fetches());
  summary.set_fetched_bytes(std::int64_t{plan.fetches()} * context.bytes_per_expert);
  summary.set_steps(plan.transfers.empty() ? 0 : plan.transfers.back().step + 1);
  if (context.current != nullptr) summary.set_unchanged_reason(PlanReason(plan, context.min_balancedness));
}

LayerPlacementDetail DetailOf(const PlanContext& context, const RebalancePlan& plan, int layer,
                              EntryCounts& entry_counts) {
  const int num_slots = plan.placement.num_slots();
  LayerPlacementDetail detail{.expert_count = true, .max_routing_entries = context.max_routing_entries};
  detail.slot_shares = LayerShares(context.slot_shares, layer, num_slots);
  if (context.loads != nullptr) detail.loads = context.loads->layer(layer);
  detail.entry_counts = &entry_counts;
  if (!plan.replica_ranks.empty() && detail.slot_shares.empty()) {
    detail.replica_ranks = std::span(plan.replica_ranks).subspan(Index(layer) * Index(num_slots), Index(num_slots));
  }
  return detail;
}

}  // namespace

void WritePlan(const PlanContext& context, const RebalancePlan& plan, v1::RebalanceResponse& response) {
  const Placement& placement = plan.placement;
  EPLB_CHECK(plan.layers.size() == context.model_layers.size());
  EntryCounts entry_counts(context.topology, placement.num_experts());
  for (std::size_t i = 0; i < context.model_layers.size(); ++i) {
    const int layer = static_cast<int>(i);
    WriteLayerPlacement(placement.layer(layer), placement.num_experts(), context.model_layers[i],
                        DetailOf(context, plan, layer, entry_counts), *response.add_layers());
    WriteLayerBalance(plan.layers[i], context.model_layers[i], context.min_balancedness, *response.add_balance());
  }
  for (const Transfer& transfer : plan.transfers) {
    WriteTransfer(transfer, context.model_layers, *response.add_transfers());
  }
  WriteSummary(context, plan, *response.mutable_summary());
  response.set_policy(PolicyMessage(plan.policy));
}

void WriteRebalanceResponse(const RebalanceInput& input, const GatedPlan& gated, absl::Duration compute_duration,
                            v1::RebalanceResponse& response) {
  const RebalancePlan& plan = gated.plan;
  PlanContext context{.topology = input.topology,
                      .model_layers = input.model_layers,
                      .current = input.current ? &*input.current : nullptr,
                      .bytes_per_expert = input.options.bytes_per_expert,
                      .max_routing_entries = input.max_routing_entries,
                      .slot_shares = plan.slot_shares,
                      .min_balancedness = input.gate ? input.gate->min_balancedness : 0};
  std::optional<LoadMatrix> loads;
  if (!plan.slot_shares.empty() && input.max_routing_entries > 0) {
    absl::StatusOr<LoadMatrix> mean = SampleMean(input.samples);
    EPLB_CHECK(mean.ok());  // the plan was made of it
    context.loads = &loads.emplace(*std::move(mean));
  }
  WritePlan(context, plan, response);
  response.mutable_summary()->set_gain_gpu_seconds(gated.gain_gpu_seconds);
  response.mutable_summary()->set_cost_gpu_seconds(gated.cost_gpu_seconds);
  WriteDuration(compute_duration, *response.mutable_compute_duration());
}

}  // namespace eplb
