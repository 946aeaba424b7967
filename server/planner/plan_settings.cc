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

}  // namespace eplb
