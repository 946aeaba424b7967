#ifndef EPLB_CLIENT_EPLBCTL_REMOTE_REBALANCE_H_
#define EPLB_CLIENT_EPLBCTL_REMOTE_REBALANCE_H_

#include "absl/status/statusor.h"
#include "client/client_options.h"
#include "client/eplbctl/rebalance_result.h"

namespace eplb {

// Plans on a server. Errors are those of Client::Rebalance.
absl::StatusOr<RebalanceResult> RebalanceOnServer(const RebalanceTask& task, ClientOptions options);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REMOTE_REBALANCE_H_
