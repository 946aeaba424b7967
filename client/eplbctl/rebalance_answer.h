#ifndef EPLB_CLIENT_EPLBCTL_REBALANCE_ANSWER_H_
#define EPLB_CLIENT_EPLBCTL_REBALANCE_ANSWER_H_

#include "absl/status/statusor.h"
#include "client/eplbctl/rebalance_result.h"
#include "eplb/v1/rebalance.pb.h"

namespace eplb {

// What a task asks and what is answered, whoever plans.

v1::RebalanceRequest RequestFor(const RebalanceTask& task);

// INTERNAL where the answer is none to this task.
absl::StatusOr<RebalanceResult> ResultFromResponse(const v1::RebalanceResponse& response, const RebalanceTask& task);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REBALANCE_ANSWER_H_
