#ifndef EPLB_SERVER_RPC_CONVERT_PLAN_OPTIONS_MESSAGE_H_
#define EPLB_SERVER_RPC_CONVERT_PLAN_OPTIONS_MESSAGE_H_

#include <cstdint>
#include <optional>

#include "eplb/v1/plan_options.pb.h"
#include "server/balancer/balancer.h"
#include "server/base/field_errors.h"
#include "server/model/constraints.h"
#include "server/planner/plan_settings.h"
#include "server/rpc/convert/request_limits.h"

namespace eplb {

// What counts where a request says nothing.
struct PlanDefaults {
  Policy policy = Policy::kAuto;
  std::int64_t work_limit = 0;                 // 0: the balancer's own default
  std::int64_t bytes_per_expert = 44'040'192;  // an expert of DeepSeek-V3 in FP8
  int max_transfers_per_gpu = 1;               // within one transfer step
  PlanSettings gate = {};                      // what a gate leaves open; only its gate counts
};

// How to plan, as a request states it.
struct RequestedPlan {
  RebalanceOptions options;
  std::optional<PlanSettings> gate = {};  // unset: every plan is taken, whatever it costs
};

// kAuto for POLICY_UNSPECIFIED; nullopt for a number that is no policy.
std::optional<Policy> PolicyFromMessage(v1::Policy policy);
// POLICY_UNSPECIFIED for kAuto.
v1::Policy PolicyMessage(Policy policy);

// How to plan, as `options` of the request and bytes_per_expert state it. Adds what is wrong to `errors`: also what the
// policy cannot honour.
RequestedPlan ReadPlanOptions(const v1::PlanOptions& message, std::int64_t bytes_per_expert, bool has_current,
                              const PlanDefaults& defaults, const RequestLimits& limits, FieldErrors& errors);

// States the bounds that the budget has; the rest stay unset.
void WriteBudget(const MoveBudget& budget, v1::MoveBudget& message);

// Shape that constraints are checked against.
struct ConstraintsShape {
  int num_layers = 0;
  int num_experts = 0;
  int num_slots = 0;
  int num_gpus = 0;
  int num_nodes = 0;
};

// Rules that the placement keeps; honour_groups is the plan option of that name. Adds what is wrong to `errors`, under
// "constraints": also rules that the policy does not know.
PlacementConstraints ReadConstraints(const v1::PlacementConstraints& message, bool honour_groups, Policy policy,
                                     const ConstraintsShape& shape, FieldErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_PLAN_OPTIONS_MESSAGE_H_
