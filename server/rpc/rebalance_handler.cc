#include "server/rpc/rebalance_handler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eplb/v1/rebalance.pb.h"
#include "server/balancer/balancer.h"
#include "server/base/check.h"
#include "server/base/status_macros.h"
#include "server/planner/gated_rebalance.h"
#include "server/rpc/convert/rebalance_request.h"
#include "server/rpc/convert/rebalance_response.h"
#include "server/rpc/live_context.h"
#include "server/rpc/live_convert/live_rebalance_message.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/request_head.h"
#include "server/rpc/status_details.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxRequestIdBytes = 128;  // a longer one is refused with the rest of the request

// With samples nothing is changed, whatever else the request says.
Role NeededRole(const RebalanceHead& head) {
  return head.has_samples || head.validate_only ? Role::kViewer : Role::kController;
}

// Copies within a GPU are no fetches; those from the checkpoint come from no node.
int CountFetches(const RebalancePlan& plan, const Topology& topology, bool within_node) {
  return static_cast<int>(std::ranges::count_if(plan.transfers, [&](const Transfer& transfer) {
    if (transfer.source_slot < 0) return !within_node;
    const int source = topology.gpu_of_slot(transfer.source_slot);
    const int target = topology.gpu_of_slot(transfer.target_slot);
    return source != target && (topology.node_of_gpu(source) == topology.node_of_gpu(target)) == within_node;
  }));
}

RebalanceOutcome OutcomeOf(const RebalancePlan& plan, const Topology& topology, absl::Duration compute,
                           absl::Duration queue) {
  return {.policy = PolicyName(plan.policy),
          .compute_duration = compute,
          .queue_duration = queue,
          .balancedness_before = plan.balancedness_before(),
          .balancedness_after = plan.balancedness_after(),
          .step_time_before = plan.step_time_before(),
          .step_time_after = plan.step_time_after(),
          .lower_bound_gap = plan.step_time_after() / plan.lower_bound_step_time() - 1,
          .intra_node_fetches = CountFetches(plan, topology, true),
          .inter_node_fetches = CountFetches(plan, topology, false),
          .twins = plan.twins()};
}

// Without a gate the gain and the cost of the plan are not known.
absl::StatusOr<GatedPlan> PlanFor(const RebalanceInput& input, const ParallelFor& parallel) {
  if (input.gate) return PlanGatedRebalance(input.problem(), input.options, *input.gate, parallel);
  EPLB_ASSIGN_OR_RETURN(RebalancePlan plan, PlanRebalance(input.problem(), input.options, parallel));
  return GatedPlan{.plan = std::move(plan)};
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
  if (cache_.AbandonIfUnwanted(shared)) return;
  cache_.Complete(shared, Plan(request, parts_.clock->Monotonic() - enqueued));
}

absl::StatusOr<grpc::ByteBuffer> RebalanceHandler::Plan(const grpc::ByteBuffer& request,
                                                        absl::Duration queue_duration) const {
  ThreadArena arena;
  auto& message = arena.Create<v1::RebalanceRequest>();
  EPLB_RETURN_IF_ERROR(ParseMessage(request, message));
  auto& response = arena.Create<v1::RebalanceResponse>();
  EPLB_RETURN_IF_ERROR(message.samples().empty() ? PlanLive(message, response)
                                                 : PlanFromSamples(message, queue_duration, response));
  return SerializeMessage(response);
}

absl::Status RebalanceHandler::PlanFromSamples(const v1::RebalanceRequest& request, absl::Duration queue_duration,
                                               v1::RebalanceResponse& response) const {
  EPLB_ASSIGN_OR_RETURN(const RebalanceInput input, ReadRebalanceRequest(request, parts_.plan_defaults, parts_.limits));
  const absl::Duration start = parts_.clock->Monotonic();
  EPLB_ASSIGN_OR_RETURN(const GatedPlan plan, PlanFor(input, *parts_.parallel));
  const absl::Duration compute = parts_.clock->Monotonic() - start;
  WriteRebalanceResponse(input, plan, compute, response);
  if (parts_.rebalance_observer != nullptr) {
    parts_.rebalance_observer->OnPlanned(OutcomeOf(plan.plan, input.topology, compute, queue_duration));
  }
  return absl::OkStatus();
}

absl::Status RebalanceHandler::PlanLive(const v1::RebalanceRequest& request, v1::RebalanceResponse& response) const {
  if (parts_.hub == nullptr) return NoLiveDeployments();
  EPLB_ASSIGN_OR_RETURN(const RebalanceNowRequest now, ReadLiveRebalance(request, parts_.limits));
  const absl::Duration start = parts_.clock->Monotonic();
  EPLB_ASSIGN_OR_RETURN(const RebalanceNowResult result, parts_.hub->RebalanceNow(now));
  WriteLiveRebalance(request, result, parts_.plan_defaults.bytes_per_expert, parts_.clock->Monotonic() - start,
                     response);
  return absl::OkStatus();
}

}  // namespace eplb
