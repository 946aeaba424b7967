#include "server/rpc/convert/plan_options_message.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

bool CheckRange(FieldErrors& errors, std::string_view field, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return true;
  errors.Add(field, absl::StrCat(value),
             high == std::numeric_limits<std::int64_t>::max() ? absl::StrCat("must be at least ", low)
                                                              : absl::StrCat("must be from ", low, " to ", high));
  return false;
}

constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

MoveBudget ReadBudget(const v1::MoveBudget& message, bool has_current, FieldErrors& errors) {
  MoveBudget budget;
  if (message.has_per_layer() && CheckRange(errors, "options.budget.per_layer", message.per_layer(), 0, kNoBound)) {
    budget.per_layer = message.per_layer();
  }
  if (message.has_total() && CheckRange(errors, "options.budget.total", message.total(), 0, kNoBound)) {
    budget.total = static_cast<int>(std::min<std::int64_t>(message.total(), std::numeric_limits<int>::max()));
  }
  if (message.has_bytes() && CheckRange(errors, "options.budget.bytes", message.bytes(), 0, kNoBound)) {
    budget.bytes = message.bytes();
  }
  if (!budget.unlimited() && !has_current) {
    errors.Add("options.budget", "", "needs the current placement in `current`");
  }
  return budget;
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

RebalanceOptions ReadPlanOptions(const v1::PlanOptions& message, std::int64_t bytes_per_expert, bool has_current,
                                 const PlanDefaults& defaults, const RequestLimits& limits, FieldErrors& errors) {
  RebalanceOptions options{.policy = defaults.policy, .work_limit = defaults.work_limit};
  const std::optional<Policy> policy = PolicyFromMessage(message.policy());
  if (!policy) {
    errors.Add("options.policy", absl::StrCat(static_cast<int>(message.policy())), "must be a known policy");
  } else if (*policy != Policy::kAuto) {
    options.policy = *policy;
  }
  CheckRange(errors, "options.work_limit", message.work_limit(), 0, limits.max_work);
  if (message.work_limit() > 0) options.work_limit = message.work_limit();
  options.budget = ReadBudget(message.budget(), has_current, errors);
  CheckRange(errors, "bytes_per_expert", bytes_per_expert, 0, kNoBound);
  options.bytes_per_expert = bytes_per_expert > 0 ? bytes_per_expert : defaults.bytes_per_expert;
  return options;
}

PlacementConstraints ReadConstraints(const v1::PlacementConstraints& message, bool honour_groups,
                                     const ConstraintsShape& shape, FieldErrors& errors) {
  PlacementConstraints constraints{.min_replicas = std::max(message.min_replicas(), 1),
                                   .min_nodes_per_expert = std::max(message.min_nodes_per_expert(), 1),
                                   .honour_groups = honour_groups};
  CheckRange(errors, "constraints.min_replicas", message.min_replicas(), 0, shape.num_gpus);
  CheckRange(errors, "constraints.min_nodes_per_expert", message.min_nodes_per_expert(), 0, shape.num_nodes);
  const auto& slots = message.slot_budget_per_layer();
  if (slots.empty()) return constraints;
  if (slots.size() != shape.num_layers) {
    errors.Add("constraints.slot_budget_per_layer", absl::StrCat(slots.size(), " entries"),
               absl::StrCat("must be the number of layers, ", shape.num_layers, ", or none"));
    return constraints;
  }
  for (int layer = 0; layer < slots.size(); ++layer) {
    CheckRange(errors, absl::StrCat("constraints.slot_budget_per_layer[", layer, "]"), slots[layer], shape.num_experts,
               shape.num_slots);
  }
  constraints.slot_budget_per_layer = {slots.begin(), slots.end()};
  return constraints;
}

}  // namespace eplb
