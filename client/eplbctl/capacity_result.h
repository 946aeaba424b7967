#ifndef EPLB_CLIENT_EPLBCTL_CAPACITY_RESULT_H_
#define EPLB_CLIENT_EPLBCTL_CAPACITY_RESULT_H_

#include <string>

#include "server/planner/capacity.h"

namespace eplb {

// The plan as JSON, keys as documented in eplbctl plan-capacity --help.
std::string CapacityJson(int num_experts, const CapacityPlan& plan);

// The plan as a table with a curve of the balancedness, smallest fleet first.
std::string CapacityTable(const std::string& title, int num_experts, const CapacityPlan& plan, bool colour);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_CAPACITY_RESULT_H_
