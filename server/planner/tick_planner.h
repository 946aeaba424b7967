#ifndef EPLB_SERVER_PLANNER_TICK_PLANNER_H_
#define EPLB_SERVER_PLANNER_TICK_PLANNER_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "server/balancer/balancer.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/planner/plan_settings.h"
#include "server/planner/unchanged_reason.h"

namespace eplb {

// What one tick of a deployment is planned from. Nothing is owned; everything outlives the call.
struct TickInput {
  const Topology* topology = nullptr;        // excluded: dead and draining GPUs alike
  std::span<const LoadMatrix> history = {};  // closed sub-windows, oldest first, phases combined; at least one
  // Part of the newest sub-window that the ranks spent in expert layers, in (0, 1]; unset: not reported.
  std::optional<double> expert_time_ratio = {};
  const Placement* current = nullptr;           // in force; never null
  std::span<const double> current_shares = {};  // in force, as in RebalanceProblem; empty: equal ones
  PlacementConstraints constraints = {};
  PlanSettings settings = {};
  // Fetches beyond which each must lower the step time by more than `extra_gain`; unset: the budget alone counts.
  std::optional<std::int64_t> usual_fetches = {};
  double extra_gain = 0;
  bool force = false;      // the gate is out of force; rules and budgets stay
  bool evacuates = false;  // `current` holds experts on excluded GPUs: these go, whatever the gate says
  bool for_people = true;  // false: nobody asks for the lower bounds of a plan that changes something
  // Whether to give the plan up; it is asked before each layer, by any thread. Null: never.
  std::function<bool()> stop = nullptr;
};

// The outcome of one tick.
struct TickPlan {
  // The plan from `current`; its placement equals `current` where nothing changes.
  RebalancePlan plan;
  UnchangedReason unchanged = UnchangedReason::kNone;  // not kNone: nothing is to be published
  // [layers] why each layer stays as it is; empty: not known.
  std::vector<UnchangedReason> layer_reasons = {};
  std::shared_ptr<const std::vector<double>> slot_shares = nullptr;  // as in VersionedPlacement
  std::shared_ptr<const LoadMatrix> loads = nullptr;                 // same
  bool only_shares = false;        // the placement equals `current`, but the shares are worth publishing
  double predicted_step_time = 1;  // of the planned placement under the forecast, >= 1
  double gain_gpu_seconds = 0;     // predicted over the horizon; 0 without a gate
  double cost_gpu_seconds = 0;     // of the transfers; 0 without a gate
};

// Plans one tick: forecast, incremental plan, benefit gate. A pure function of its input: the same bytes for the same
// input, so that a recorded series can be replayed through it. Thread-safe: called for many deployments at once.
class TickPlanner {
 public:
  virtual ~TickPlanner() = default;

  // FAILED_PRECONDITION where the usable slots cannot hold all experts; CANCELLED where the plan was given up.
  virtual absl::StatusOr<TickPlan> Plan(const TickInput& input) const = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_TICK_PLANNER_H_
