#ifndef EPLB_SERVER_RPC_AUTHORIZER_H_
#define EPLB_SERVER_RPC_AUTHORIZER_H_

#include <grpcpp/security/auth_context.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/rpc/server_options.h"

namespace eplb {

// Who is calling: the SPIFFE ID, subject alternative names and common name of a verified client certificate, in this
// order; none without one.
using PeerIdentities = std::vector<std::string>;
PeerIdentities IdentitiesOf(const grpc::AuthContext* context);

// Decides by the peer's identities and the deployment's name. Immutable; safe to use from any thread.
class Authorizer {
 public:
  explicit Authorizer(AuthorizationOptions options) : options_(std::move(options)) {}

  // Whether the peer has the role for the deployment; every role may do what kViewer may. PERMISSION_DENIED names what
  // is missing. A call that names no deployment passes an empty name.
  absl::Status Check(const PeerIdentities& peer, Role role, std::string_view deployment) const;

  // Whether Check(peer, kViewer, name) is OK: for lists.
  bool MayView(const PeerIdentities& peer, std::string_view deployment) const;

  bool enabled() const { return options_.enabled; }

 private:
  bool IsAllowed(const PeerIdentities& peer, Role role, std::string_view deployment) const;

  const AuthorizationOptions options_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_AUTHORIZER_H_
