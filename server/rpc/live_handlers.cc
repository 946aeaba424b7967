#include "server/rpc/live_handlers.h"

#include "absl/strings/str_cat.h"
#include "eplb/v1/deployment.pb.h"
#include "eplb/v1/watch.pb.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/planner/hub.h"
#include "server/rpc/live_convert/control_message.h"
#include "server/rpc/live_convert/deployment_message.h"
#include "server/rpc/live_convert/watch_message.h"
#include "server/rpc/raw_message.h"

namespace eplb {
namespace {

// Parses a request that names a deployment, and checks the caller's role for it.
template <typename Request>
absl::Status Admit(const LiveContext& live, const PeerIdentities& peer, Role role, const grpc::ByteBuffer& bytes,
                   Request& request) {
  EPLB_RETURN_IF_ERROR(CheckLive(live));
  EPLB_RETURN_IF_ERROR(ParseMessage(bytes, request));
  EPLB_RETURN_IF_ERROR(live.authorizer.Check(peer, role, request.deployment()));
  if (request.deployment().empty()) return FieldErrorStatus("deployment", "", "must be given");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<grpc::ByteBuffer> ReportPlacementStatus(LiveContext& live, const PeerIdentities& peer,
                                                       const grpc::ByteBuffer& request) {
  v1::ReportPlacementStatusRequest message;
  EPLB_RETURN_IF_ERROR(Admit(live, peer, Role::kWorker, request, message));
  EPLB_ASSIGN_OR_RETURN(const PlacementStatus status, ReadPlacementStatus(message));
  EPLB_RETURN_IF_ERROR(live.hub->ReportStatus(message.deployment(), status));
  return SerializeMessage(v1::ReportPlacementStatusResponse());
}

absl::StatusOr<grpc::ByteBuffer> GetPlacement(LiveContext& live, const PeerIdentities& peer,
                                              const grpc::ByteBuffer& request) {
  v1::GetPlacementRequest message;
  EPLB_RETURN_IF_ERROR(Admit(live, peer, Role::kViewer, request, message));
  if (message.max_routing_entries() < 0) {
    return FieldErrorStatus("max_routing_entries", absl::StrCat(message.max_routing_entries()), "must be at least 0");
  }
  EPLB_ASSIGN_OR_RETURN(const DeploymentView view, live.hub->GetPlacement(message.deployment()));
  v1::GetPlacementResponse response;
  WriteDeploymentView(view, message.max_routing_entries(), response);
  return SerializeMessage(response);
}

absl::StatusOr<grpc::ByteBuffer> ListDeployments(LiveContext& live, const PeerIdentities& peer,
                                                 const grpc::ByteBuffer& request) {
  EPLB_RETURN_IF_ERROR(CheckLive(live));
  v1::ListDeploymentsRequest message;
  EPLB_RETURN_IF_ERROR(ParseMessage(request, message));
  ListRequest list{
      .page_size = message.page_size(), .page_token = message.page_token(), .name_prefix = message.name_prefix()};
  if (live.authorizer.enabled()) {
    list.visible = [&](std::string_view name) { return live.authorizer.MayView(peer, name); };
  }
  EPLB_ASSIGN_OR_RETURN(const ListPage page, live.hub->ListDeployments(list));
  v1::ListDeploymentsResponse response;
  for (const DeploymentSummary& summary : page.deployments) {
    WriteDeploymentSummary(summary, *response.add_deployments());
  }
  response.set_next_page_token(page.next_page_token);
  return SerializeMessage(response);
}

absl::StatusOr<grpc::ByteBuffer> UpdateDeployment(LiveContext& live, const PeerIdentities& peer,
                                                  const grpc::ByteBuffer& request) {
  v1::UpdateDeploymentRequest message;
  EPLB_RETURN_IF_ERROR(Admit(live, peer, Role::kController, request, message));
  FieldErrors errors;
  const ControlChange change = ReadControlChange(message, errors);
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  EPLB_ASSIGN_OR_RETURN(const DeploymentControl control,
                        live.hub->UpdateDeployment(message.deployment(), change, message.validate_only()));
  v1::UpdateDeploymentResponse response;
  WriteControl(control, *response.mutable_control());
  return SerializeMessage(response);
}

}  // namespace eplb
