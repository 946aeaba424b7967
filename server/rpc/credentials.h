#ifndef EPLB_SERVER_RPC_CREDENTIALS_H_
#define EPLB_SERVER_RPC_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/statusor.h"
#include "server/rpc/server_options.h"

namespace eplb {

// Credentials of a port: plaintext where TLS is not enabled, else certificates that are looked up again at each
// interval, so that a replaced one is served without a restart; where the replacement does not load, the former stays.
// INVALID_ARGUMENT names the file that does not load now, or the key that does not belong to its certificate.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsOptions& options);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CREDENTIALS_H_
