#ifndef EPLB_SERVER_BALANCER_PLAN_REPORT_H_
#define EPLB_SERVER_BALANCER_PLAN_REPORT_H_

#include <vector>

#include "server/balancer/balancer.h"
#include "server/base/parallel_for.h"
#include "server/model/placement.h"

namespace eplb {

// What a plan comes to, layer by layer.
struct PlanReport {
  std::vector<LayerReport> layers;  // [layers]; what only an incremental plan knows is left at its defaults
  std::vector<double> slot_shares;  // as in RebalancePlan
};

struct ReportOptions {
  Policy policy = Policy::kOptimized;  // that made the plan; not kAuto
  bool traffic_shares = false;         // choose them
  bool bounded = true;                 // prove the lower bounds of layers that change too
  // A move budget may have kept the plan from the rules, and then from their bound: it ends at what was reached.
  bool incremental = false;
};

// Measures `after` against `before`, which is problem.current or, where there is none, the contiguous layout.
PlanReport ReportPlan(const RebalanceProblem& problem, const Placement& before, const Placement& after,
                      const ReportOptions& options, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_PLAN_REPORT_H_
