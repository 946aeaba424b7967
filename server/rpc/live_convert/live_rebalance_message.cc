#include "server/rpc/live_convert/live_rebalance_message.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/rebalance_response.h"
#include "server/rpc/convert/request_checks.h"
#include "server/rpc/convert/unchanged_reason_message.h"
#include "server/rpc/live_convert/deployment_message.h"
#include "server/rpc/live_convert/plan_overrides_message.h"
#include "server/rpc/live_convert/version_message.h"

namespace eplb {
namespace {

// The workers have told these, so a request must not.
void CheckAbsent(const v1::RebalanceRequest& request, FieldErrors& errors) {
  if (request.deployment().empty()) errors.Add("deployment", "", "must be given without samples");
  if (request.has_topology()) errors.Add("topology", "", "must be unset without samples");
  if (!request.current().empty()) {
    errors.Add("current", absl::StrCat(request.current_size(), " layers"), "must be empty without samples");
  }
}

PlacementConstraints ReadRules(const v1::PlacementConstraints& message, bool honour_groups, FieldErrors& errors) {
  errors.CheckRange("constraints.min_replicas", message.min_replicas(), 0, FieldErrors::kNoBound);
  errors.CheckRange("constraints.min_nodes_per_expert", message.min_nodes_per_expert(), 0, FieldErrors::kNoBound);
  return {.min_replicas = std::max(message.min_replicas(), 1),
          .min_nodes_per_expert = std::max(message.min_nodes_per_expert(), 1),
          .honour_groups = honour_groups,
          .stable_local_slots = !message.has_stable_local_slots() || message.stable_local_slots(),
          .slot_budget_per_layer = {message.slot_budget_per_layer().begin(), message.slot_budget_per_layer().end()}};
}

}  // namespace

absl::StatusOr<RebalanceNowRequest> ReadLiveRebalance(const v1::RebalanceRequest& request,
                                                      const RequestLimits& limits) {
  FieldErrors errors;
  CheckAbsent(request, errors);
  CheckRequestScalars(request, errors);
  errors.CheckRange("bytes_per_expert", request.bytes_per_expert(), 0, kMaxBytesPerExpert);
  UnusableGpus unusable = ReadUnusableGpus(request, limits.WithinModelBounds().max_gpus, errors);
  RebalanceNowRequest out{.deployment = request.deployment(),
                          .options = ReadPlanOverrides(request.options(), "options", limits, errors),
                          .excluded_gpus = std::move(unusable.excluded),
                          .draining_gpus = std::move(unusable.draining),
                          .validate_only = request.validate_only(),
                          .force = request.force()};
  if (request.bytes_per_expert() > 0) out.options.bytes_per_expert = request.bytes_per_expert();
  if (request.has_constraints()) {
    out.constraints = ReadRules(request.constraints(), request.options().honour_groups(), errors);
  }
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  return out;
}

void WriteLiveRebalance(const v1::RebalanceRequest& request, const RebalanceNowResult& result,
                        std::int64_t default_bytes_per_expert, absl::Duration compute_duration,
                        v1::RebalanceResponse& response) {
  std::int64_t bytes_per_expert = default_bytes_per_expert;
  if (result.spec->bytes_per_expert() > 0) bytes_per_expert = result.spec->bytes_per_expert();
  if (request.bytes_per_expert() > 0) bytes_per_expert = request.bytes_per_expert();
  PlanContext context{.topology = *result.topology,
                      .model_layers = result.spec->model_layers(),
                      .current = result.base.placement.get(),
                      .bytes_per_expert = bytes_per_expert,
                      .max_routing_entries = request.max_routing_entries()};
  if (result.plan.slot_shares != nullptr) context.slot_shares = *result.plan.slot_shares;
  context.loads = result.plan.loads.get();
  WritePlan(context, result.plan.plan, response);
  for (std::size_t i = 0; i < result.plan.layer_reasons.size(); ++i) {
    response.mutable_balance(static_cast<int>(i))
        ->set_unchanged_reason(UnchangedReasonMessage(result.plan.layer_reasons[i]));
  }
  v1::PlanSummary& summary = *response.mutable_summary();
  summary.set_gain_gpu_seconds(result.plan.gain_gpu_seconds);
  summary.set_cost_gpu_seconds(result.plan.cost_gpu_seconds);
  summary.set_unchanged_reason(UnchangedReasonMessage(result.plan.unchanged));
  if (result.version.is_set()) WriteVersion(result.version, *response.mutable_version());
  WriteDuration(compute_duration, *response.mutable_compute_duration());
}

}  // namespace eplb
