#ifndef EPLB_CLIENT_EPLBCTL_REPORT_CONTENTS_H_
#define EPLB_CLIENT_EPLBCTL_REPORT_CONTENTS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "client/eplbctl/rebalance_result.h"
#include "client/report/report_data.h"

namespace eplb {

// What the report page shows of one plan; several load samples count by their mean. Replays are left empty.
absl::StatusOr<ReportData> ReportContents(const RebalanceTask& task, const RebalanceResult& result);

// Experts copied from each node (row) to each node (column) by the transfers: [nodes x nodes]. Copies within a GPU are
// none; what no GPU can send comes from its own node's checkpoint.
std::vector<std::int64_t> NodeFetches(std::span<const Transfer> transfers, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REPORT_CONTENTS_H_
