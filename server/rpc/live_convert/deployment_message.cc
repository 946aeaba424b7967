#include "server/rpc/live_convert/deployment_message.h"

#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/unchanged_reason_message.h"
#include "server/rpc/live_convert/control_message.h"
#include "server/rpc/live_convert/deployment_spec_message.h"
#include "server/rpc/live_convert/placed_layer_message.h"
#include "server/rpc/live_convert/version_message.h"

namespace eplb {
namespace {

v1::WorkerLiveness LivenessMessage(Liveness liveness) {
  switch (liveness) {
    case Liveness::kLive:
      return v1::WORKER_LIVENESS_LIVE;
    case Liveness::kExpired:
      return v1::WORKER_LIVENESS_EXPIRED;
    case Liveness::kExcluded:
      return v1::WORKER_LIVENESS_EXCLUDED;
  }
  return v1::WORKER_LIVENESS_UNSPECIFIED;
}

v1::PlacementState StateMessage(PlacementState state) {
  switch (state) {
    case PlacementState::kAccepted:
      return v1::PLACEMENT_STATE_ACCEPTED;
    case PlacementState::kPrepared:
      return v1::PLACEMENT_STATE_PREPARED;
    case PlacementState::kApplied:
      return v1::PLACEMENT_STATE_APPLIED;
    case PlacementState::kRejected:
      return v1::PLACEMENT_STATE_REJECTED;
    case PlacementState::kUnknown:
      break;
  }
  return v1::PLACEMENT_STATE_UNSPECIFIED;
}

v1::RejectionReason ReasonMessage(RejectionReason reason) {
  switch (reason) {
    case RejectionReason::kBaseMismatch:
      return v1::REJECTION_REASON_BASE_MISMATCH;
    case RejectionReason::kStale:
      return v1::REJECTION_REASON_STALE;
    case RejectionReason::kInvalidPlacement:
      return v1::REJECTION_REASON_INVALID_PLACEMENT;
    case RejectionReason::kTransferFailed:
      return v1::REJECTION_REASON_TRANSFER_FAILED;
    case RejectionReason::kOutOfMemory:
      return v1::REJECTION_REASON_OUT_OF_MEMORY;
    case RejectionReason::kAborted:
      return v1::REJECTION_REASON_ABORTED;
    case RejectionReason::kUnspecified:
      break;
  }
  return v1::REJECTION_REASON_UNSPECIFIED;
}

void WriteWorker(const WorkerSummary& worker, v1::WorkerStatus& message) {
  message.set_worker_id(worker.worker_id);
  message.set_incarnation(worker.incarnation);
  message.set_first_rank(worker.first_rank);
  message.set_num_ranks(worker.num_ranks);
  message.set_liveness(LivenessMessage(worker.liveness));
  message.set_watching(worker.watching);
  if (worker.applied.is_set()) WriteVersion(worker.applied, *message.mutable_applied());
  if (worker.version.is_set()) WriteVersion(worker.version, *message.mutable_version());
  message.set_state(StateMessage(worker.state));
  message.set_rejection_reason(ReasonMessage(worker.rejection_reason));
  message.set_error_detail(worker.error_detail);
  if (worker.last_report_time) WriteTimestamp(*worker.last_report_time, *message.mutable_last_report_time());
  message.set_reports(worker.reports);
  message.set_lost_reports(worker.lost_reports);
  message.set_user_agent(worker.user_agent);
  message.set_fetched_bytes(worker.fetched_bytes);
}

void WritePlacement(const DeploymentView& view, int max_routing_entries, v1::Placement& message) {
  if (view.placement.version.is_set()) WriteVersion(view.placement.version, *message.mutable_version());
  EntryCounts entry_counts(view.spec->topology(), view.spec->num_experts());
  const LayerPlacementDetail detail{
      .expert_count = true, .max_routing_entries = max_routing_entries, .entry_counts = &entry_counts};
  for (int layer = 0; layer < view.spec->num_layers(); ++layer) {
    WritePlacedLayer(view.placement, layer, view.spec->model_layers(), detail, *message.add_layers());
  }
}

}  // namespace

void WriteDeploymentSummary(const DeploymentSummary& summary, v1::Deployment& message) {
  message.set_deployment(summary.name);
  WriteControl(*summary.control, *message.mutable_control());
  if (summary.version.is_set()) WriteVersion(summary.version, *message.mutable_version());
  message.set_live_workers(summary.live_workers);
  message.set_missing_ranks(summary.missing_ranks);
  message.set_applied_workers(summary.applied_workers);
  message.set_live_balancedness(summary.live_balancedness);
  message.set_live_step_time(summary.live_step_time);
  message.set_contiguous_step_time(summary.contiguous_step_time);
  message.set_predicted_step_time(summary.predicted_step_time);
  if (summary.last_plan_time) WriteTimestamp(*summary.last_plan_time, *message.mutable_last_plan_time());
  message.set_unchanged_reason(UnchangedReasonMessage(summary.unchanged_reason));
  if (summary.last_report_time) WriteTimestamp(*summary.last_report_time, *message.mutable_last_report_time());
  message.set_fetches(summary.fetches);
  message.set_fetched_bytes(summary.fetched_bytes);
  message.set_last_error(summary.last_error);
  message.set_awaiting(summary.awaiting);
}

void WriteDeploymentView(const DeploymentView& view, int max_routing_entries, v1::GetPlacementResponse& message) {
  if (view.placement.placement != nullptr) {
    WritePlacement(view, max_routing_entries, *message.mutable_placement());
  }
  for (const WorkerSummary& worker : view.workers) WriteWorker(worker, *message.add_workers());
  WriteDeploymentSpec(*view.spec, view.options, *message.mutable_spec());
  WriteDeploymentSummary(view.summary, *message.mutable_deployment());
}

}  // namespace eplb
