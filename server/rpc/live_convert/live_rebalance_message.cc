#include "server/rpc/live_convert/live_rebalance_message.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/rebalance_response.h"
#include "server/rpc/live_convert/deployment_message.h"
#include "server/rpc/live_convert/plan_overrides_message.h"
#include "server/rpc/live_convert/version_message.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxRequestIdBytes = 128;

// The workers have told these, so a request must not.
void CheckAbsent(const v1::RebalanceRequest& request, FieldErrors& errors) {
  if (request.deployment().empty()) errors.Add("deployment", "", "must be given without samples");
  if (request.has_topology()) errors.Add("topology", "", "must be unset without samples");
  if (!request.current().empty()) {
    errors.Add("current", absl::StrCat(request.current_size(), " layers"), "must be empty without samples");
  }
}

void CheckScalars(const v1::RebalanceRequest& request, FieldErrors& errors) {
  for (const int gpu : request.draining_gpus()) {
    if (std::ranges::find(request.excluded_gpus(), gpu) == request.excluded_gpus().end()) continue;
    errors.Add("draining_gpus", absl::StrCat(gpu), "must not be in excluded_gpus too");
  }
  if (request.bytes_per_expert() < 0) {
    errors.Add("bytes_per_expert", absl::StrCat(request.bytes_per_expert()), "must be at least 0");
  }
  if (request.max_routing_entries() < 0) {
    errors.Add("max_routing_entries", absl::StrCat(request.max_routing_entries()), "must be at least 0");
  }
  if (request.request_id().size() > kMaxRequestIdBytes) {
    errors.Add("request_id", absl::StrCat(request.request_id().size(), " bytes"),
               absl::StrCat("must be at most ", kMaxRequestIdBytes));
  }
}

PlacementConstraints ReadRules(const v1::PlacementConstraints& message, bool honour_groups, FieldErrors& errors) {
  const auto check = [&](std::string_view field, int value) {
    if (value < 0) errors.Add(field, absl::StrCat(value), "must be at least 0");
  };
  check("constraints.min_replicas", message.min_replicas());
  check("constraints.min_nodes_per_expert", message.min_nodes_per_expert());
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
  CheckScalars(request, errors);
  RebalanceNowRequest out{.deployment = request.deployment(),
                          .options = ReadPlanOverrides(request.options(), "options", limits, errors),
                          .excluded_gpus = {request.excluded_gpus().begin(), request.excluded_gpus().end()},
                          .draining_gpus = {request.draining_gpus().begin(), request.draining_gpus().end()},
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
