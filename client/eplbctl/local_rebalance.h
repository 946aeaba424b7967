#ifndef EPLB_CLIENT_EPLBCTL_LOCAL_REBALANCE_H_
#define EPLB_CLIENT_EPLBCTL_LOCAL_REBALANCE_H_

#include "absl/status/statusor.h"
#include "client/eplbctl/rebalance_result.h"
#include "server/base/parallel_for.h"

namespace eplb {

// Plans in this process what a server at its defaults would: the same request is read, planned and answered by the code
// that the server runs, so that every check and every default is its own. Only the size of messages has no bound here.
absl::StatusOr<RebalanceResult> RebalanceLocally(const RebalanceTask& task, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_LOCAL_REBALANCE_H_
