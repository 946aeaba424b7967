#include "client/eplbctl/remote_rebalance.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/client.h"
#include "client/rebalance_messages.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/duration_message.h"
#include "server/rpc/convert/plan_options_message.h"

namespace eplb {

absl::StatusOr<RebalanceResult> RebalanceOnServer(const RebalanceTask& task, ClientOptions options) {
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  const v1::RebalanceRequest request = MakeRebalanceRequest({.model_layers = task.model_layers,
                                                             .topology = &task.topology_options,
                                                             .samples = task.samples,
                                                             .current = task.has_current ? &task.before : nullptr,
                                                             .constraints = task.constraints,
                                                             .options = task.options});
  EPLB_ASSIGN_OR_RETURN(const v1::RebalanceResponse response, client->Rebalance(request));
  EPLB_ASSIGN_OR_RETURN(Placement placement,
                        PlacementFromResponse(response, task.model_layers, task.samples.front().loads.num_experts(),
                                              task.topology.num_slots()));
  const v1::PlanSummary& summary = response.summary();
  const std::optional<Policy> policy = PolicyFromMessage(response.policy());
  RebalanceResult result{.policy = policy ? std::string(PolicyName(*policy)) : v1::Policy_Name(response.policy()),
                         .placement = std::move(placement)};
  result.balancedness_before = summary.balancedness_before();
  result.balancedness_after = summary.balancedness_after();
  result.worst_before = summary.worst_balancedness_before();
  result.worst_after = summary.worst_balancedness_after();
  result.step_time_before = summary.step_time_before();
  result.step_time_after = summary.step_time_after();
  result.lower_bound_step_time = summary.lower_bound_step_time();
  result.twins_before = static_cast<int>(summary.twins_before());
  result.twins_after = static_cast<int>(summary.twins_after());
  result.fetches = TotalFetches(task.before, result.placement, task.topology);
  result.compute_ms = absl::ToDoubleMilliseconds(ReadDuration(response.compute_duration()));
  return result;
}

}  // namespace eplb
