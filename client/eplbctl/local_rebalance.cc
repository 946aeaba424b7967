#include "client/eplbctl/local_rebalance.h"

#include "client/eplbctl/rebalance_answer.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/rebalance_request.h"
#include "server/rpc/convert/rebalance_response.h"

namespace eplb {

absl::StatusOr<RebalanceResult> RebalanceLocally(const RebalanceTask& task, const ParallelFor& parallel) {
  EPLB_ASSIGN_OR_RETURN(const RebalanceInput input,
                        ReadRebalanceRequest(RequestFor(task), PlanDefaults(), RequestLimits()));
  const absl::Duration start = RealClock().Monotonic();
  EPLB_ASSIGN_OR_RETURN(const GatedPlan plan, PlanRequested(input, parallel));
  v1::RebalanceResponse response;
  WriteRebalanceResponse(input, plan, RealClock().Monotonic() - start, response);
  return ResultFromResponse(response, task);
}

}  // namespace eplb
