#ifndef EPLB_SERVER_PLANNER_COALESCED_TRANSFERS_H_
#define EPLB_SERVER_PLANNER_COALESCED_TRANSFERS_H_

#include <memory>
#include <vector>

#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/model/transfer.h"

namespace eplb {

// The copies that take a watcher from the placement that it holds to the newest, past versions that it missed. A GPU
// that the newest leaves empty is taken for unusable: nothing is copied from it.
// Null where there is no such way; the watcher then gets a full placement.
std::shared_ptr<const std::vector<Transfer>> CoalescedTransfers(const Placement& from, const Placement& to,
                                                                const TopologyOptions& hardware,
                                                                int max_transfers_per_gpu);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_COALESCED_TRANSFERS_H_
