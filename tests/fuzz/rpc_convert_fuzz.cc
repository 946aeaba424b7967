// What peers send: any Rebalance request, hello and load report becomes a valid value, or an error that says which
// fields are wrong. The first byte says which message it is, the second how many of the bytes after it change the
// message, and the rest is the message as it is on the wire.

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "eplb/v1/rebalance.pb.h"
#include "eplb/v1/telemetry.pb.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/parallel_for.h"
#include "server/rpc/convert/rebalance_request.h"
#include "server/rpc/convert/rebalance_response.h"
#include "server/rpc/live_convert/telemetry_message.h"
#include "tests/fuzz/message_mutator.h"

namespace eplb::fuzz {
namespace {

constexpr std::size_t kMaxErrorBytes = 16 << 10;
constexpr int kMaxPlannedSlots = 32;  // over all layers: what is larger is converted, not planned
constexpr int kMutationBytes = 8;

// Answers of any size may be asked for; this is what a server sends at most.
RequestLimits Limits() { return {.max_work = 1000, .max_answer_bytes = 16 << 20}; }

void CheckRefusal(const absl::Status& status) {
  EPLB_CHECK(!status.message().empty() && status.message().size() <= kMaxErrorBytes);
  if (status.code() == absl::StatusCode::kFailedPrecondition) return;
  EPLB_CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  const std::vector<FieldError> errors = FieldErrorsOf(status);
  EPLB_CHECK(!errors.empty() && errors.size() <= FieldErrors::kMaxErrors);
  for (const FieldError& error : errors) EPLB_CHECK(!error.field.empty() && !error.rule.empty());
}

void CheckShares(std::span<const double> shares, const Placement& placement) {
  if (shares.empty()) return;
  EPLB_CHECK(shares.size() == placement.physical_to_logical().size());
  for (const double share : shares) EPLB_CHECK(share >= 0 && share <= 1);
}

void CheckSamples(const RebalanceInput& input) {
  EPLB_CHECK(!input.samples.empty() && input.samples.size() <= kMaxSamples);
  const LoadMatrix& first = input.samples.front().loads;
  EPLB_CHECK(input.model_layers.size() == static_cast<std::size_t>(first.num_layers()));
  EPLB_CHECK(first.num_experts() <= input.topology.num_slots());
  bool counts = false;
  for (const LoadSample& sample : input.samples) {
    EPLB_CHECK(sample.loads.num_layers() == first.num_layers() && sample.loads.num_experts() == first.num_experts());
    EPLB_CHECK(sample.weight >= 0 && sample.weight <= 0x1p53);
    counts = counts || sample.weight > 0;
  }
  EPLB_CHECK(counts);
}

// A request that was read is planned, or refused for what its rules ask of its fleet.
void Plan(const RebalanceInput& input) {
  const absl::StatusOr<GatedPlan> plan = PlanRequested(input, SerialFor());
  if (!plan.ok()) {
    EPLB_CHECK(plan.status().code() == absl::StatusCode::kInvalidArgument ||
               plan.status().code() == absl::StatusCode::kFailedPrecondition);
    return;
  }
  v1::RebalanceResponse response;
  WriteRebalanceResponse(input, *plan, absl::ZeroDuration(), response);
  EPLB_CHECK(response.layers_size() == static_cast<int>(input.model_layers.size()));
  EPLB_CHECK(response.summary().step_time_after() >= 1);
}

void ReadRequest(const v1::RebalanceRequest& request) {
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, PlanDefaults(), Limits());
  if (!input.ok()) return CheckRefusal(input.status());
  CheckSamples(*input);
  const LoadMatrix& loads = input->samples.front().loads;
  if (input->current) {
    EPLB_CHECK(input->current->num_layers() == loads.num_layers());
    EPLB_CHECK(input->current->num_experts() == loads.num_experts());
    EPLB_CHECK(input->current->num_slots() == input->topology.num_slots());
    CheckShares(input->current_shares, *input->current);
  }
  EPLB_CHECK(input->max_routing_entries >= 0 && input->options.bytes_per_expert > 0);
  EPLB_CHECK(input->options.work_limit >= 0 && input->options.work_limit <= Limits().max_work);
  if (loads.num_layers() * input->topology.num_slots() <= kMaxPlannedSlots) Plan(*input);
}

void ReadTelemetryHello(const v1::TelemetryHello& message) {
  const absl::StatusOr<WorkerHello> hello = ReadHello(message, Limits());
  if (!hello.ok()) return CheckRefusal(hello.status());
  EPLB_CHECK(!hello->spec.model_layers().empty() && hello->spec.num_experts() <= hello->spec.topology().num_slots());
  if (!hello->current) return;
  EPLB_CHECK(hello->current->num_layers() == static_cast<int>(hello->spec.model_layers().size()));
  EPLB_CHECK(hello->current->num_experts() == hello->spec.num_experts());
  EPLB_CHECK(hello->current->num_slots() == hello->spec.topology().num_slots());
  if (hello->slot_shares) CheckShares(*hello->slot_shares, *hello->current);
}

void ReadLoadReport(const v1::LoadReport& message) {
  const absl::StatusOr<LoadReportView> report = ReadReport(message);
  if (!report.ok()) return CheckRefusal(report.status());
  EPLB_CHECK(report->window > -absl::InfiniteDuration() && report->window < absl::InfiniteDuration());
  EPLB_CHECK(report->expert_time > -absl::InfiniteDuration() && report->expert_time < absl::InfiniteDuration());
  EPLB_CHECK(std::ranges::equal(report->expert_tokens, message.expert_tokens()));
  EPLB_CHECK(std::ranges::equal(report->slot_tokens, message.slot_tokens()));
}

// Parses, changes and reads one message. gRPC refuses bytes that are none; here what was parsed up to there is read, or
// most rounds would end with the parser.
template <typename Message>
void Feed(std::span<const std::uint8_t> changes, std::span<const std::uint8_t> wire, void (*read)(const Message&)) {
  const google::protobuf::LogSilencer silencer;  // it names each string that is no UTF-8
  Message message;
  (void)message.ParsePartialFromArray(wire.data(), static_cast<int>(wire.size()));
  for (std::size_t at = 0; at < changes.size(); at += kMutationBytes) {
    ByteSource bytes(changes.subspan(at, std::min<std::size_t>(kMutationBytes, changes.size() - at)));
    MutateMessage(bytes, message);
  }
  read(message);
}

}  // namespace
}  // namespace eplb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::span<const std::uint8_t> input(data + 2, size - 2);
  const std::size_t num_changes = std::min<std::size_t>(data[1], input.size());
  const auto changes = input.first(num_changes);
  const auto wire = input.subspan(num_changes);
  switch (data[0] % 3) {
    case 0:
      eplb::fuzz::Feed<eplb::v1::RebalanceRequest>(changes, wire, eplb::fuzz::ReadRequest);
      break;
    case 1:
      eplb::fuzz::Feed<eplb::v1::TelemetryHello>(changes, wire, eplb::fuzz::ReadTelemetryHello);
      break;
    default:
      eplb::fuzz::Feed<eplb::v1::LoadReport>(changes, wire, eplb::fuzz::ReadLoadReport);
  }
  return 0;
}
