#ifndef EPLB_CLIENT_EPLBCTL_LOCAL_REBALANCE_H_
#define EPLB_CLIENT_EPLBCTL_LOCAL_REBALANCE_H_

#include "absl/status/statusor.h"
#include "client/eplbctl/rebalance_result.h"
#include "server/base/parallel_for.h"

namespace eplb {

// Plans in this process with the code that the server runs. Errors are those of PlanRebalance.
absl::StatusOr<RebalanceResult> RebalanceLocally(const RebalanceTask& task, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_LOCAL_REBALANCE_H_
