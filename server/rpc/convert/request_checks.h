#ifndef EPLB_SERVER_RPC_CONVERT_REQUEST_CHECKS_H_
#define EPLB_SERVER_RPC_CONVERT_REQUEST_CHECKS_H_

#include <cstddef>
#include <vector>

#include "eplb/v1/rebalance.pb.h"
#include "server/base/field_errors.h"

namespace eplb {

// What every Rebalance is checked for, with samples and without.

inline constexpr std::size_t kMaxRequestIdBytes = 128;

// Adds to `errors` what is wrong with the request id and max_routing_entries.
void CheckRequestScalars(const v1::RebalanceRequest& request, FieldErrors& errors);

// The GPUs that a request takes out of use; each list rises, and no GPU is in both.
struct UnusableGpus {
  std::vector<int> excluded;
  std::vector<int> draining;

  // Both, rising.
  std::vector<int> All() const;
};

// The GPUs in [0, num_gpus) that the request excludes or drains. Adds what is wrong to `errors`. In time that grows
// with the lists' length alone.
UnusableGpus ReadUnusableGpus(const v1::RebalanceRequest& request, int num_gpus, FieldErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_REQUEST_CHECKS_H_
