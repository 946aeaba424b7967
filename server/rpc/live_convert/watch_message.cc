#include "server/rpc/live_convert/watch_message.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/live_convert/deployment_spec_message.h"
#include "server/rpc/live_convert/placed_layer_message.h"
#include "server/rpc/live_convert/version_message.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxErrorDetailBytes = 1024;

std::optional<PlacementState> ReadState(v1::PlacementState state) {
  switch (state) {
    case v1::PLACEMENT_STATE_ACCEPTED:
      return PlacementState::kAccepted;
    case v1::PLACEMENT_STATE_PREPARED:
      return PlacementState::kPrepared;
    case v1::PLACEMENT_STATE_APPLIED:
      return PlacementState::kApplied;
    case v1::PLACEMENT_STATE_REJECTED:
      return PlacementState::kRejected;
    default:
      return std::nullopt;
  }
}

std::optional<RejectionReason> ReadReason(v1::RejectionReason reason) {
  switch (reason) {
    case v1::REJECTION_REASON_UNSPECIFIED:
      return RejectionReason::kUnspecified;
    case v1::REJECTION_REASON_BASE_MISMATCH:
      return RejectionReason::kBaseMismatch;
    case v1::REJECTION_REASON_STALE:
      return RejectionReason::kStale;
    case v1::REJECTION_REASON_INVALID_PLACEMENT:
      return RejectionReason::kInvalidPlacement;
    case v1::REJECTION_REASON_TRANSFER_FAILED:
      return RejectionReason::kTransferFailed;
    case v1::REJECTION_REASON_OUT_OF_MEMORY:
      return RejectionReason::kOutOfMemory;
    case v1::REJECTION_REASON_ABORTED:
      return RejectionReason::kAborted;
    default:
      return std::nullopt;
  }
}

void WriteUpdate(const PlacementUpdate& update, const DeploymentSpec& spec, v1::PlacementUpdate& message) {
  const std::vector<int>& model_layers = spec.model_layers();
  if (update.full) {
    for (int layer = 0; layer < spec.num_layers(); ++layer) {
      WritePlacedLayer(update.target, layer, model_layers, {.expert_count = false}, *message.add_layers());
    }
    WriteDeploymentSpec(spec, {}, *message.mutable_spec());
  } else {
    WriteVersion(update.base, *message.mutable_base());
    for (const int layer : update.changed_layers) {
      WritePlacedLayer(update.target, layer, model_layers, {.expert_count = false}, *message.add_layers());
    }
  }
  if (update.transfers != nullptr) {
    for (const Transfer& transfer : *update.transfers) WriteTransfer(transfer, model_layers, *message.add_transfers());
  }
  message.set_activation(update.activation == Activation::kOnCommit ? v1::ACTIVATION_ON_COMMIT
                                                                    : v1::ACTIVATION_IMMEDIATE);
}

}  // namespace

absl::StatusOr<WatchRequest> ReadWatchRequest(const v1::WatchPlacementsRequest& request) {
  FieldErrors errors;
  if (request.deployment().empty()) errors.Add("deployment", "", "must be given");
  if (request.worker_id().empty() != request.incarnation().empty()) {
    errors.Add("incarnation", QuoteForError(request.incarnation()), "must be given exactly where worker_id is");
  }
  const PlacementVersion resume_after = ReadVersion(request.resume_after(), "resume_after", errors);
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  return WatchRequest{.deployment = request.deployment(),
                      .worker_id = request.worker_id(),
                      .incarnation = request.incarnation(),
                      .resume_after = resume_after};
}

absl::StatusOr<PlacementStatus> ReadPlacementStatus(const v1::ReportPlacementStatusRequest& request) {
  FieldErrors errors;
  if (request.deployment().empty()) errors.Add("deployment", "", "must be given");
  if (request.worker_id().empty()) errors.Add("worker_id", "", "must be given");
  if (request.incarnation().empty()) errors.Add("incarnation", "", "must be given");
  const PlacementVersion version = ReadVersion(request.version(), "version", errors);
  if (!version.is_set()) errors.Add("version", "", "must be given");
  const std::optional<PlacementState> state = ReadState(request.state());
  if (!state) errors.Add("state", absl::StrCat(static_cast<int>(request.state())), "must be a known state");
  const std::optional<RejectionReason> reason = ReadReason(request.rejection_reason());
  if (!reason) {
    errors.Add("rejection_reason", absl::StrCat(static_cast<int>(request.rejection_reason())),
               "must be a known reason");
  }
  if (request.error_detail().size() > kMaxErrorDetailBytes) {
    errors.Add("error_detail", absl::StrCat(request.error_detail().size(), " bytes"),
               absl::StrCat("must be at most ", kMaxErrorDetailBytes));
  }
  if (request.fetched_bytes() < 0) {
    errors.Add("fetched_bytes", absl::StrCat(request.fetched_bytes()), "must be at least 0");
  }
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  return PlacementStatus{.worker_id = request.worker_id(),
                         .incarnation = request.incarnation(),
                         .version = version,
                         .state = *state,
                         .reason = *reason,
                         .detail = request.error_detail(),
                         .elapsed = ReadDuration(request.elapsed()),
                         .fetched_bytes = request.fetched_bytes()};
}

void WriteWatchEvent(const WatchEvent& event, const DeploymentSpec& spec, v1::WatchPlacementsResponse& message) {
  if (event.version.is_set()) WriteVersion(event.version, *message.mutable_version());
  switch (event.kind) {
    case WatchEvent::Kind::kUpdate:
      EPLB_CHECK(event.update != nullptr);
      WriteUpdate(*event.update, spec, *message.mutable_placement());
      break;
    case WatchEvent::Kind::kBookmark:
      message.mutable_bookmark();
      break;
    case WatchEvent::Kind::kCommit:
      message.mutable_commit();
      break;
    case WatchEvent::Kind::kAbort:
      message.mutable_abort()->set_worker_id(event.worker_id);
      message.mutable_abort()->set_detail(event.detail);
      break;
    case WatchEvent::Kind::kDraining:
      message.mutable_draining();
      if (event.reconnect_delay > absl::ZeroDuration()) {
        WriteDuration(event.reconnect_delay, *message.mutable_draining()->mutable_reconnect_delay());
      }
      break;
  }
}

}  // namespace eplb
