#include "server/rpc/live_convert/telemetry_message.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/placement_message.h"
#include "server/rpc/live_convert/control_message.h"
#include "server/rpc/live_convert/deployment_spec_message.h"
#include "server/rpc/live_convert/plan_overrides_message.h"
#include "server/rpc/live_convert/version_message.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxUserAgentBytes = 256;

std::optional<Phase> ReadPhase(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_UNSPECIFIED:
      return Phase::kUnspecified;
    case v1::PHASE_PREFILL:
      return Phase::kPrefill;
    case v1::PHASE_DECODE:
      return Phase::kDecode;
    default:
      return std::nullopt;
  }
}

void CheckUserAgent(const v1::TelemetryHello& message, FieldErrors& errors) {
  if (message.user_agent().size() > kMaxUserAgentBytes) {
    errors.Add("hello.user_agent", absl::StrCat(message.user_agent().size(), " bytes"),
               absl::StrCat("must be at most ", kMaxUserAgentBytes));
  }
}

}  // namespace

absl::StatusOr<WorkerHello> ReadHello(const v1::TelemetryHello& message, const RequestLimits& limits) {
  FieldErrors errors;
  std::optional<DeploymentSpec> spec = ReadDeploymentSpec(message.spec(), "hello.spec", limits, errors);
  PlanOverrides options = ReadPlanOverrides(message.spec().options(), "hello.spec.options", limits, errors);
  CheckUserAgent(message, errors);
  const PlacementVersion applied = ReadVersion(message.applied(), "hello.applied", errors);
  std::optional<Placement> current;
  if (spec && !message.current().empty()) {
    current =
        ReadPlacement(message.current(), {spec->model_layers(), spec->num_experts(), spec->topology().num_slots()},
                      "hello.current", errors);
  }
  std::vector<double> shares;
  if (current) shares = ReadSlotShares(message.current(), *current, "hello.current", errors);
  std::optional<DeploymentControl> control;
  if (message.has_control()) control = ReadControl(message.control(), "hello.control", errors);
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  return WorkerHello{
      .spec = *std::move(spec),
      .options = std::move(options),
      .worker_id = message.worker_id(),
      .incarnation = message.incarnation(),
      .first_rank = message.first_rank(),
      .num_ranks = message.num_ranks(),
      .applied = applied,
      .current = std::move(current),
      .slot_shares = shares.empty() ? nullptr : std::make_shared<const std::vector<double>>(std::move(shares)),
      .control = std::move(control),
      .user_agent = message.user_agent()};
}

absl::StatusOr<LoadReportView> ReadReport(const v1::LoadReport& message) {
  const std::optional<Phase> phase = ReadPhase(message.phase());
  if (!phase) {
    return FieldErrorStatus("report.phase", absl::StrCat(static_cast<int>(message.phase())), "must be a known phase");
  }
  LoadReportView report{.sequence = message.sequence(),
                        .window = ReadDuration(message.window()),
                        .steps = message.steps(),
                        .phase = *phase,
                        .warmup = message.warmup(),
                        .expert_time = ReadDuration(message.expert_time())};
  if (message.has_end_time()) report.end_time = ReadTimestamp(message.end_time());
  if (message.has_placement()) {
    FieldErrors errors;
    report.placement = ReadVersion(message.placement(), "report.placement", errors);
    EPLB_RETURN_IF_ERROR(errors.ToStatus());
  }
  const auto& experts = message.expert_tokens();
  const auto& slots = message.slot_tokens();
  report.expert_tokens = {experts.data(), static_cast<std::size_t>(experts.size())};
  report.slot_tokens = {slots.data(), static_cast<std::size_t>(slots.size())};
  return report;
}

bool DirectivesWriter::Write(const WorkerDirectives& directives, v1::StreamTelemetryResponse& message) {
  bool is_new = false;
  if (directives.report_interval != report_interval_) {
    report_interval_ = directives.report_interval;
    WriteDuration(report_interval_, *message.mutable_report_interval());
    is_new = true;
  }
  if (!std::exchange(need_full_hello_, directives.need_full_hello) && directives.need_full_hello) is_new = true;
  message.set_need_full_hello(directives.need_full_hello);
  if (std::exchange(dropped_reports_, directives.dropped_reports) != directives.dropped_reports) is_new = true;
  if (directives.dropped_reports) message.mutable_overload()->set_dropped_reports(*directives.dropped_reports);
  if (std::exchange(draining_, directives.draining) != directives.draining) is_new = true;
  message.set_draining(directives.draining);
  if (directives.draining && directives.reconnect_delay > absl::ZeroDuration()) {
    WriteDuration(directives.reconnect_delay, *message.mutable_reconnect_delay());
  }
  if (control_ == nullptr || *control_ != *directives.control) {
    control_ = directives.control;
    WriteControl(*control_, *message.mutable_control());
    is_new = true;
  }
  acked_sequence_ = directives.acked_sequence;
  message.set_acked_sequence(acked_sequence_);
  return is_new;
}

}  // namespace eplb
