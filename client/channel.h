#ifndef EPLB_CLIENT_CHANNEL_H_
#define EPLB_CLIENT_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>

#include "absl/status/statusor.h"
#include "client/client_options.h"

namespace eplb {

// A connection to a server as the options say; it connects with the first call. Several addresses behind one name are
// used in turn, or, with one_server, one at a time. INVALID_ARGUMENT names the option that is wrong.
absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(const ClientOptions& options);

}  // namespace eplb

#endif  // EPLB_CLIENT_CHANNEL_H_
