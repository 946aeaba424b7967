#include "server/rpc/live_convert/plan_overrides_message.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/gate_message.h"
#include "server/rpc/convert/plan_options_message.h"

namespace eplb {
namespace {

void ReadBudget(const v1::MoveBudget& message, PlanOverrides& overrides, FieldErrors& errors) {
  MoveBudget budget;
  errors.CheckRange("budget.per_layer", message.per_layer(), 0, FieldErrors::kNoBound);
  errors.CheckRange("budget.total", message.total(), 0, FieldErrors::kNoBound);
  errors.CheckRange("budget.bytes", message.bytes(), 0, FieldErrors::kNoBound);
  if (message.has_per_layer()) budget.per_layer = message.per_layer();
  if (message.has_total()) {
    budget.total = static_cast<int>(std::min<std::int64_t>(message.total(), std::numeric_limits<int>::max()));
  }
  if (message.has_bytes()) budget.bytes = message.bytes();
  overrides.budget = budget;
}

bool StatesGate(const PlanOverrides& overrides) {
  return overrides.gate_disabled || overrides.horizon || overrides.intra_node_bytes_per_second ||
         overrides.inter_node_bytes_per_second || overrides.hysteresis_ratio || overrides.expert_time_ratio ||
         overrides.min_balancedness;
}

}  // namespace

PlanOverrides ReadPlanOverrides(const v1::PlanOptions& message, std::string_view field, const RequestLimits& limits,
                                FieldErrors& errors) {
  FieldErrors own;
  PlanOverrides overrides;
  const std::optional<Policy> policy = PolicyFromMessage(message.policy());
  if (!policy) own.Add("policy", absl::StrCat(static_cast<int>(message.policy())), "must be a known policy");
  if (policy && *policy != Policy::kAuto) overrides.policy = policy;
  overrides.work_limit = ReadNumber<std::int64_t>(own, "work_limit", message.work_limit(), limits.max_work);
  if (message.honour_groups()) overrides.honour_groups = true;
  if (message.has_budget()) ReadBudget(message.budget(), overrides, own);
  if (overrides.policy && IsReference(*overrides.policy) && overrides.budget && !overrides.budget->unlimited()) {
    own.Add("budget", "", "needs the optimized policy");
  }
  if (overrides.policy && IsReference(*overrides.policy) && overrides.work_limit) {
    own.Add("work_limit", absl::StrCat(*overrides.work_limit), "needs the optimized policy");
  }
  if (message.has_gate()) ReadGate(message.gate(), overrides, own);
  overrides.max_transfers_per_gpu =
      ReadNumber<std::int32_t>(own, "max_transfers_per_gpu", message.max_transfers_per_gpu(), limits.max_slots);
  if (message.traffic_shares()) overrides.traffic_shares = true;
  errors.Merge(field, own.ToStatus());
  return overrides;
}

void WritePlanOverrides(const PlanOverrides& overrides, v1::PlanOptions& message) {
  message.set_policy(PolicyMessage(overrides.policy.value_or(Policy::kAuto)));
  message.set_work_limit(overrides.work_limit.value_or(0));
  message.set_honour_groups(overrides.honour_groups.value_or(false));
  if (overrides.budget) WriteBudget(*overrides.budget, *message.mutable_budget());
  if (StatesGate(overrides)) WriteGate(overrides, *message.mutable_gate());
  message.set_max_transfers_per_gpu(overrides.max_transfers_per_gpu.value_or(0));
  message.set_traffic_shares(overrides.traffic_shares.value_or(false));
}

}  // namespace eplb
