#include "client/eplbctl/remote_rebalance.h"

#include <memory>
#include <utility>

#include "client/client.h"
#include "client/eplbctl/rebalance_answer.h"
#include "server/base/status_macros.h"

namespace eplb {

absl::StatusOr<RebalanceResult> RebalanceOnServer(const RebalanceTask& task, ClientOptions options) {
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  EPLB_ASSIGN_OR_RETURN(const v1::RebalanceResponse response, client->Rebalance(RequestFor(task)));
  return ResultFromResponse(response, task);
}

}  // namespace eplb
