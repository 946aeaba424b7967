#ifndef EPLB_CLIENT_EPLBCTL_REPORT_CONTENTS_H_
#define EPLB_CLIENT_EPLBCTL_REPORT_CONTENTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/eplbctl/rebalance_result.h"
#include "client/report/report_data.h"

namespace eplb {

// What the report page shows of one plan; several load samples count by their mean. Replays are left empty.
absl::StatusOr<ReportData> ReportContents(const RebalanceTask& task, const RebalanceResult& result);

// Experts copied from each node (row) to each node (column) on the way between two placements: [nodes x nodes]. Each
// fetch is taken from its own node where the expert is there, else from the lowest slot that holds it on a GPU that is
// not excluded, else from its own node's checkpoint.
std::vector<std::int64_t> NodeFetches(const Placement& before, const Placement& after, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REPORT_CONTENTS_H_
