#include "server/planner/plan_settings.h"

namespace eplb {
namespace {

template <typename Value>
void Lay(Value& value, const std::optional<Value>& override_value) {
  if (override_value) value = *override_value;
}

}  // namespace

PlanSettings Overlay(PlanSettings settings, const PlanOverrides& overrides) {
  Lay(settings.policy, overrides.policy);
  Lay(settings.work_limit, overrides.work_limit);
  Lay(settings.honour_groups, overrides.honour_groups);
  Lay(settings.budget, overrides.budget);
  Lay(settings.max_transfers_per_gpu, overrides.max_transfers_per_gpu);
  Lay(settings.bytes_per_expert, overrides.bytes_per_expert);
  Lay(settings.traffic_shares, overrides.traffic_shares);
  Lay(settings.gate_disabled, overrides.gate_disabled);
  Lay(settings.horizon, overrides.horizon);
  Lay(settings.intra_node_bytes_per_second, overrides.intra_node_bytes_per_second);
  Lay(settings.inter_node_bytes_per_second, overrides.inter_node_bytes_per_second);
  Lay(settings.hysteresis_ratio, overrides.hysteresis_ratio);
  Lay(settings.expert_time_ratio, overrides.expert_time_ratio);
  Lay(settings.min_balancedness, overrides.min_balancedness);
  return settings;
}

std::string DescribeDifference(const PlanOverrides& mine, const PlanOverrides& other) {
  if (mine.policy != other.policy) return "options.policy was told differently";
  if (mine.work_limit != other.work_limit) return "options.work_limit was told differently";
  if (mine.honour_groups != other.honour_groups) return "options.honour_groups was told differently";
  if (mine.budget != other.budget) return "options.budget was told differently";
  if (mine.max_transfers_per_gpu != other.max_transfers_per_gpu)
    return "options.max_transfers_per_gpu was told differently";
  if (mine.bytes_per_expert != other.bytes_per_expert) return "options.bytes_per_expert was told differently";
  if (mine.traffic_shares != other.traffic_shares) return "options.traffic_shares was told differently";
  if (mine.gate_disabled != other.gate_disabled) return "options.gate.disabled was told differently";
  if (mine.horizon != other.horizon) return "options.gate.horizon was told differently";
  if (mine.intra_node_bytes_per_second != other.intra_node_bytes_per_second)
    return "options.gate.intra_node_bytes_per_second was told differently";
  if (mine.inter_node_bytes_per_second != other.inter_node_bytes_per_second)
    return "options.gate.inter_node_bytes_per_second was told differently";
  if (mine.hysteresis_ratio != other.hysteresis_ratio) return "options.gate.hysteresis_ratio was told differently";
  if (mine.expert_time_ratio != other.expert_time_ratio) return "options.gate.expert_time_ratio was told differently";
  if (mine.min_balancedness != other.min_balancedness) return "options.gate.min_balancedness was told differently";
  return "";
}

}  // namespace eplb
