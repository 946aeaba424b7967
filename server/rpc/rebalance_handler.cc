#include "server/rpc/rebalance_handler.h"

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/balancer/balancer.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/base/stoppable_for.h"
#include "server/planner/gated_rebalance.h"
#include "server/rpc/convert/rebalance_request.h"
#include "server/rpc/convert/rebalance_response.h"
#include "server/rpc/convert/request_checks.h"
#include "server/rpc/live_context.h"
#include "server/rpc/live_convert/live_rebalance_message.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/request_head.h"
#include "server/rpc/status_details.h"

namespace eplb {
namespace {

// With samples nothing is changed, whatever else the request says.
Role NeededRole(const RebalanceHead& head) {
  return head.has_samples || head.validate_only ? Role::kViewer : Role::kController;
}

RebalanceOutcome OutcomeOf(const RebalancePlan& plan, const Topology& topology, absl::Duration compute,
                           absl::Duration queue) {
  const TransferCounts transfers = CountTransfers(plan.transfers, topology);
  return {.policy = PolicyName(plan.policy),
          .compute_duration = compute,
          .queue_duration = queue,
          .balancedness_before = plan.balancedness_before(),
          .balancedness_after = plan.balancedness_after(),
          .step_time_before = plan.step_time_before(),
          .step_time_after = plan.step_time_after(),
          .lower_bound_gap = plan.step_time_after() / plan.lower_bound_step_time() - 1,
          .intra_node_fetches = transfers.within_node,
          .inter_node_fetches = transfers.inter_node_fetches(),
          .twins = plan.twins()};
}

// A plan that is published must not be answered with an error. What watchers and GetPlacement tell too is left out
// where it does not fit; the rest is no larger than the hello that told of the deployment.
void FitPublished(std::int64_t max_answer_bytes, v1::RebalanceResponse& response) {
  const auto is_too_large = [&] { return static_cast<std::int64_t>(response.ByteSizeLong()) > max_answer_bytes; };
  if (!response.has_version() || max_answer_bytes <= 0 || !is_too_large()) return;
  for (v1::LayerPlacement& layer : *response.mutable_layers()) {
    layer.clear_logical_to_physical();
    layer.clear_logical_to_physical_count();
  }
  if (is_too_large()) response.clear_transfers();
}

// The field that an answer is too large because of.
std::string_view LargestAsked(const v1::RebalanceRequest& request) {
  if (request.max_routing_entries() > 0) return "max_routing_entries";
  return request.has_topology() ? "topology.num_slots" : "deployment";
}

// gRPC would refuse to send it, and tell the caller neither why nor that trying again is in vain.
absl::Status CheckFits(const v1::RebalanceRequest& request, const v1::RebalanceResponse& response,
                       std::int64_t max_answer_bytes) {
  const auto bytes = static_cast<std::int64_t>(response.ByteSizeLong());
  if (max_answer_bytes <= 0 || bytes <= max_answer_bytes) return absl::OkStatus();
  const int slots = response.layers().empty() ? 0 : response.layers(0).physical_to_logical_size();
  return WithReason(
      FieldErrorStatus(LargestAsked(request), absl::StrCat(response.layers_size(), " layers x ", slots, " slots"),
                       absl::StrCat("the answer has ", bytes, " bytes, must be at most ", max_answer_bytes)),
      kAnswerTooLarge);
}

}  // namespace

RebalanceHandler::RebalanceHandler(const EplbServiceParts& parts, const Authorizer& authorizer)
    : parts_(parts),
      authorizer_(authorizer),
      cache_({.retention = parts.request_id_retention, .max_entries = parts.request_id_capacity}, *parts.clock) {
  EPLB_CHECK(parts.pool != nullptr && parts.parallel != nullptr);
}

void RebalanceHandler::Start(const std::shared_ptr<UnaryCall>& call, const PeerIdentities& peer,
                             const grpc::ByteBuffer& request) {
  if (call->finished()) return call->Finish(GivenUpStatus(call->deadline()));
  const absl::StatusOr<RebalanceHead> head = ReadRebalanceHead(request);
  if (!head.ok()) return call->Finish(head.status());
  const absl::Status allowed = authorizer_.Check(peer, NeededRole(*head), head->deployment);
  if (!allowed.ok()) return call->Finish(allowed);
  const bool has_id = head->request_id.size() <= kMaxRequestIdBytes;
  const absl::StatusOr<std::shared_ptr<SharedAnswer>> shared =
      cache_.Join(has_id ? head->request_id : "", request, call);
  if (!shared.ok()) return call->Finish(shared.status());
  if (*shared == nullptr) {
    if (parts_.rebalance_observer != nullptr) parts_.rebalance_observer->OnDeduplicated();
  } else if (!TryEnqueue(*shared, request)) {
    Refuse(*shared);
  }
}

bool RebalanceHandler::TryEnqueue(const std::shared_ptr<SharedAnswer>& shared, const grpc::ByteBuffer& request) {
  const std::size_t bytes = request.Length();
  const std::size_t queued = queued_bytes_.fetch_add(bytes) + bytes;
  const bool accepted = queued <= parts_.max_queued_bytes &&
                        parts_.pool->TrySubmit([this, shared, request, enqueued = parts_.clock->Monotonic()] {
                          Run(shared, request, enqueued);
                          queued_bytes_ -= request.Length();
                        });
  if (!accepted) queued_bytes_ -= bytes;
  return accepted;
}

void RebalanceHandler::Refuse(const std::shared_ptr<SharedAnswer>& shared) {
  if (parts_.rebalance_observer != nullptr) parts_.rebalance_observer->OnShed();
  const absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("planning is overloaded: ", parts_.pool->queue_depth(), " requests wait; try again"));
  cache_.Complete(shared, WithReason(status, "PLANNING_QUEUE_FULL"));
}

void RebalanceHandler::Run(const std::shared_ptr<SharedAnswer>& shared, const grpc::ByteBuffer& request,
                           absl::Duration enqueued) {
  const absl::Duration queue_duration = parts_.clock->Monotonic() - enqueued;
  const StopPlan stop = [this, &shared] { return cache_.IsUnwanted(*shared); };
  while (!cache_.AbandonIfUnwanted(shared)) {
    const absl::StatusOr<grpc::ByteBuffer> answer = Plan(request, queue_duration, stop);
    // Given up; but an equal request may have come since, so that it is wanted after all.
    if (absl::IsCancelled(answer.status())) continue;
    return cache_.Complete(shared, answer);
  }
}

absl::StatusOr<grpc::ByteBuffer> RebalanceHandler::Plan(const grpc::ByteBuffer& request, absl::Duration queue_duration,
                                                        const StopPlan& stop) const {
  ThreadArena arena;
  auto& message = arena.Create<v1::RebalanceRequest>();
  EPLB_RETURN_IF_ERROR(ParseMessage(request, message));
  auto& response = arena.Create<v1::RebalanceResponse>();
  EPLB_RETURN_IF_ERROR(message.samples().empty() ? PlanLive(message, stop, response)
                                                 : PlanFromSamples(message, queue_duration, stop, response));
  FitPublished(parts_.limits.max_answer_bytes, response);
  EPLB_RETURN_IF_ERROR(CheckFits(message, response, parts_.limits.max_answer_bytes));
  return SerializeMessage(response);
}

absl::Status RebalanceHandler::PlanFromSamples(const v1::RebalanceRequest& request, absl::Duration queue_duration,
                                               const StopPlan& stop, v1::RebalanceResponse& response) const {
  EPLB_ASSIGN_OR_RETURN(const RebalanceInput input, ReadRebalanceRequest(request, parts_.plan_defaults, parts_.limits));
  const absl::Duration start = parts_.clock->Monotonic();
  const StoppableFor parallel(*parts_.parallel, stop);
  EPLB_ASSIGN_OR_RETURN(const GatedPlan plan, UnlessStopped([&] { return PlanRequested(input, parallel); }));
  const absl::Duration compute = parts_.clock->Monotonic() - start;
  WriteRebalanceResponse(input, plan, compute, response);
  if (parts_.rebalance_observer != nullptr) {
    parts_.rebalance_observer->OnPlanned(OutcomeOf(plan.plan, input.topology, compute, queue_duration));
  }
  return absl::OkStatus();
}

absl::Status RebalanceHandler::PlanLive(const v1::RebalanceRequest& request, const StopPlan& stop,
                                        v1::RebalanceResponse& response) const {
  if (parts_.hub == nullptr) return NoLiveDeployments();
  EPLB_ASSIGN_OR_RETURN(RebalanceNowRequest now, ReadLiveRebalance(request, parts_.limits));
  now.stop = stop;
  const absl::Duration start = parts_.clock->Monotonic();
  EPLB_ASSIGN_OR_RETURN(const RebalanceNowResult result, parts_.hub->RebalanceNow(now));
  WriteLiveRebalance(request, result, parts_.plan_defaults.bytes_per_expert, parts_.clock->Monotonic() - start,
                     response);
  return absl::OkStatus();
}

}  // namespace eplb
