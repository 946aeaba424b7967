#include "server/rpc/convert/gate_message.h"

#include "server/rpc/convert/duration_message.h"

namespace eplb {

void ReadGate(const v1::GateOptions& message, PlanOverrides& overrides, FieldErrors& errors) {
  overrides.gate_disabled = message.disabled();
  if (message.has_horizon()) {
    overrides.horizon = ReadDuration(message.horizon());
    if (*overrides.horizon <= absl::ZeroDuration()) {
      errors.Add("gate.horizon", absl::FormatDuration(*overrides.horizon), "must be above 0");
    }
  }
  overrides.intra_node_bytes_per_second = ReadNumber(errors, "gate.intra_node_bytes_per_second",
                                                     message.intra_node_bytes_per_second(), kMaxLinkBytesPerSecond);
  overrides.inter_node_bytes_per_second = ReadNumber(errors, "gate.inter_node_bytes_per_second",
                                                     message.inter_node_bytes_per_second(), kMaxLinkBytesPerSecond);
  if (message.has_hysteresis_ratio()) {
    ReadNumber(errors, "gate.hysteresis_ratio", message.hysteresis_ratio(), kMaxHysteresisRatio);
    overrides.hysteresis_ratio = message.hysteresis_ratio();
  }
  overrides.expert_time_ratio = ReadNumber(errors, "gate.expert_time_ratio", message.expert_time_ratio(), 1.0);
  overrides.min_balancedness = ReadNumber(errors, "gate.min_balancedness", message.min_balancedness(), 1.0);
}

void WriteGate(const PlanOverrides& overrides, v1::GateOptions& message) {
  message.set_disabled(overrides.gate_disabled.value_or(false));
  if (overrides.horizon) WriteDuration(*overrides.horizon, *message.mutable_horizon());
  message.set_intra_node_bytes_per_second(overrides.intra_node_bytes_per_second.value_or(0));
  message.set_inter_node_bytes_per_second(overrides.inter_node_bytes_per_second.value_or(0));
  if (overrides.hysteresis_ratio) message.set_hysteresis_ratio(*overrides.hysteresis_ratio);
  message.set_expert_time_ratio(overrides.expert_time_ratio.value_or(0));
  message.set_min_balancedness(overrides.min_balancedness.value_or(0));
}

}  // namespace eplb
