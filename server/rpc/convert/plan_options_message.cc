#include "server/rpc/convert/plan_options_message.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/model/limits.h"
#include "server/rpc/convert/gate_message.h"

namespace eplb {
namespace {

constexpr std::int64_t kNoBound = FieldErrors::kNoBound;

MoveBudget ReadBudget(const v1::MoveBudget& message, bool has_current, FieldErrors& errors) {
  MoveBudget budget;
  if (message.has_per_layer() && errors.CheckRange("options.budget.per_layer", message.per_layer(), 0, kNoBound)) {
    budget.per_layer = message.per_layer();
  }
  if (message.has_total() && errors.CheckRange("options.budget.total", message.total(), 0, kNoBound)) {
    budget.total = static_cast<int>(std::min<std::int64_t>(message.total(), std::numeric_limits<int>::max()));
  }
  if (message.has_bytes() && errors.CheckRange("options.budget.bytes", message.bytes(), 0, kNoBound)) {
    budget.bytes = message.bytes();
  }
  if (!budget.unlimited() && !has_current) {
    errors.Add("options.budget", "", "needs the current placement in `current`");
  }
  return budget;
}

// The gate as asked for, over the defaults; unset where every plan is taken.
std::optional<PlanSettings> ReadRequestedGate(const v1::PlanOptions& message, std::int64_t bytes_per_expert,
                                              bool has_current, const PlanSettings& defaults, FieldErrors& errors) {
  if (!message.has_gate()) return std::nullopt;
  FieldErrors own;
  PlanOverrides overrides;
  ReadGate(message.gate(), overrides, own);
  errors.Merge("options", own.ToStatus());
  PlanSettings settings = Overlay(defaults, overrides);
  settings.bytes_per_expert = bytes_per_expert;
  if (settings.gate_disabled && settings.min_balancedness == 0) return std::nullopt;
  if (!has_current) errors.Add("options.gate", "", "needs the current placement in `current`");
  return settings;
}

void AddNeedsOptimized(std::string_view field, std::int64_t value, FieldErrors& errors) {
  errors.Add(field, absl::StrCat(value), "needs the optimized policy");
}

// What the policy, or the way of planning, would leave out of account.
void CheckCombination(const v1::PlanOptions& message, const RequestedPlan& plan, FieldErrors& errors) {
  const bool within_budget = !plan.options.budget.unlimited() || plan.gate;
  if (IsReference(plan.options.policy)) {
    if (message.work_limit() > 0) AddNeedsOptimized("options.work_limit", message.work_limit(), errors);
    if (!plan.options.budget.unlimited()) errors.Add("options.budget", "", "needs the optimized policy");
    if (plan.gate) errors.Add("options.gate", "", "needs the optimized policy");
    if (plan.options.policy == Policy::kGlobal && message.honour_groups()) {
      errors.Add("options.honour_groups", "true", "must be false with the global policy, which ignores groups");
    }
  } else if (within_budget && message.work_limit() > 0) {
    errors.Add("options.work_limit", absl::StrCat(message.work_limit()),
               "must be 0 with a budget or a gate, which bound the plan");
  }
}

}  // namespace

std::optional<Policy> PolicyFromMessage(v1::Policy policy) {
  switch (policy) {
    case v1::POLICY_UNSPECIFIED:
      return Policy::kAuto;
    case v1::POLICY_HIERARCHICAL:
      return Policy::kHierarchical;
    case v1::POLICY_GLOBAL:
      return Policy::kGlobal;
    case v1::POLICY_OPTIMIZED:
      return Policy::kOptimized;
    default:
      return std::nullopt;
  }
}

v1::Policy PolicyMessage(Policy policy) {
  switch (policy) {
    case Policy::kHierarchical:
      return v1::POLICY_HIERARCHICAL;
    case Policy::kGlobal:
      return v1::POLICY_GLOBAL;
    case Policy::kOptimized:
      return v1::POLICY_OPTIMIZED;
    case Policy::kAuto:
      break;
  }
  return v1::POLICY_UNSPECIFIED;
}

RequestedPlan ReadPlanOptions(const v1::PlanOptions& message, std::int64_t bytes_per_expert, bool has_current,
                              const PlanDefaults& defaults, const RequestLimits& limits, FieldErrors& errors) {
  RequestedPlan plan{.options = {.policy = defaults.policy, .work_limit = defaults.work_limit}};
  RebalanceOptions& options = plan.options;
  const std::optional<Policy> policy = PolicyFromMessage(message.policy());
  if (!policy) {
    errors.Add("options.policy", absl::StrCat(static_cast<int>(message.policy())), "must be a known policy");
  } else if (*policy != Policy::kAuto) {
    options.policy = *policy;
  }
  errors.CheckRange("options.work_limit", message.work_limit(), 0, limits.max_work);
  if (message.work_limit() > 0) options.work_limit = message.work_limit();
  options.budget = ReadBudget(message.budget(), has_current, errors);
  errors.CheckRange("bytes_per_expert", bytes_per_expert, 0, kMaxBytesPerExpert);
  options.bytes_per_expert = bytes_per_expert > 0 ? bytes_per_expert : defaults.bytes_per_expert;
  errors.CheckRange("options.max_transfers_per_gpu", message.max_transfers_per_gpu(), 0, limits.max_slots);
  options.max_transfers_per_gpu =
      message.max_transfers_per_gpu() > 0 ? message.max_transfers_per_gpu() : defaults.max_transfers_per_gpu;
  options.traffic_shares = message.traffic_shares();
  plan.gate = ReadRequestedGate(message, options.bytes_per_expert, has_current, defaults.gate, errors);
  CheckCombination(message, plan, errors);
  return plan;
}

void WriteBudget(const MoveBudget& budget, v1::MoveBudget& message) {
  if (budget.per_layer) message.set_per_layer(*budget.per_layer);
  if (budget.total) message.set_total(*budget.total);
  if (budget.bytes) message.set_bytes(*budget.bytes);
}

PlacementConstraints ReadConstraints(const v1::PlacementConstraints& message, bool honour_groups, Policy policy,
                                     const ConstraintsShape& shape, FieldErrors& errors) {
  PlacementConstraints constraints{
      .min_replicas = std::max(message.min_replicas(), 1),
      .min_nodes_per_expert = std::max(message.min_nodes_per_expert(), 1),
      .honour_groups = honour_groups,
      .stable_local_slots = !message.has_stable_local_slots() || message.stable_local_slots()};
  errors.CheckRange("constraints.min_replicas", message.min_replicas(), 0, shape.num_gpus);
  errors.CheckRange("constraints.min_nodes_per_expert", message.min_nodes_per_expert(), 0, shape.num_nodes);
  if (IsReference(policy)) {
    if (message.min_replicas() > 1) AddNeedsOptimized("constraints.min_replicas", message.min_replicas(), errors);
    if (message.min_nodes_per_expert() > 1) {
      AddNeedsOptimized("constraints.min_nodes_per_expert", message.min_nodes_per_expert(), errors);
    }
    if (!message.slot_budget_per_layer().empty()) {
      AddNeedsOptimized("constraints.slot_budget_per_layer", message.slot_budget_per_layer_size(), errors);
      return constraints;
    }
  }
  const auto& slots = message.slot_budget_per_layer();
  if (slots.empty()) return constraints;
  if (slots.size() != shape.num_layers) {
    errors.Add("constraints.slot_budget_per_layer", absl::StrCat(slots.size(), " entries"),
               absl::StrCat("must be the number of layers, ", shape.num_layers, ", or none"));
    return constraints;
  }
  for (int layer = 0; layer < slots.size(); ++layer) {
    errors.CheckRange(absl::StrCat("constraints.slot_budget_per_layer[", layer, "]"), slots[layer], shape.num_experts,
                      shape.num_slots);
  }
  constraints.slot_budget_per_layer = {slots.begin(), slots.end()};
  return constraints;
}

}  // namespace eplb
