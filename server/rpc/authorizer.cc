#include "server/rpc/authorizer.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/support/string_ref.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/rpc/status_details.h"

namespace eplb {
namespace {

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kWorker:
      return "worker";
    case Role::kController:
      return "controller";
    case Role::kViewer:
      break;
  }
  return "viewer";
}

bool Matches(std::string_view pattern, std::string_view identity) {
  if (!pattern.ends_with('*')) return pattern == identity;
  return identity.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool MatchesAny(std::string_view pattern, const PeerIdentities& peer) {
  if (pattern == "*") return true;
  return std::ranges::any_of(peer, [&](const std::string& identity) { return Matches(pattern, identity); });
}

}  // namespace

PeerIdentities IdentitiesOf(const grpc::AuthContext* context) {
  PeerIdentities identities;
  if (context == nullptr || !context->IsPeerAuthenticated()) return identities;
  for (const char* property :
       {GRPC_PEER_SPIFFE_ID_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME}) {
    for (const grpc::string_ref& value : context->FindPropertyValues(property)) {
      std::string identity(value.data(), value.size());
      if (!std::ranges::count(identities, identity)) identities.push_back(std::move(identity));
    }
  }
  return identities;
}

bool Authorizer::IsAllowed(const PeerIdentities& peer, Role role, std::string_view deployment) const {
  if (!options_.enabled) return true;
  return std::ranges::any_of(options_.rules, [&](const AuthorizationRule& rule) {
    return (rule.role == role || role == Role::kViewer) && deployment.starts_with(rule.deployment_prefix) &&
           MatchesAny(rule.identity, peer);
  });
}

bool Authorizer::MayView(const PeerIdentities& peer, std::string_view deployment) const {
  return IsAllowed(peer, Role::kViewer, deployment);
}

absl::Status Authorizer::Check(const PeerIdentities& peer, Role role, std::string_view deployment) const {
  if (IsAllowed(peer, role, deployment)) return absl::OkStatus();
  const std::string who = peer.empty() ? "a caller without a certificate" : QuoteForError(peer.front());
  const std::string what =
      deployment.empty() ? "calls that name no deployment" : absl::StrCat("deployment ", QuoteForError(deployment));
  return WithReason(
      absl::PermissionDeniedError(absl::StrCat(who, " lacks the role ", std::string(RoleName(role)), " for ", what)),
      "ROLE_MISSING");
}

}  // namespace eplb
