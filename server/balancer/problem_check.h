#ifndef EPLB_SERVER_BALANCER_PROBLEM_CHECK_H_
#define EPLB_SERVER_BALANCER_PROBLEM_CHECK_H_

#include "absl/status/status.h"
#include "server/balancer/balancer.h"

namespace eplb {

// Everything that the parts of a problem, each valid by itself, must agree on: shapes, weights, budgets, and what each
// policy cannot do. INVALID_ARGUMENT names every field that breaks a rule.
absl::Status CheckProblem(const RebalanceProblem& problem, const RebalanceOptions& options);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_PROBLEM_CHECK_H_
