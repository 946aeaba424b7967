#ifndef EPLB_SERVER_BALANCER_BALANCER_H_
#define EPLB_SERVER_BALANCER_BALANCER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/incremental/move_allocation.h"
#include "server/base/parallel_for.h"
#include "server/model/constraints.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"
#include "server/model/transfer.h"

namespace eplb {

// How a layout is computed.
enum class Policy {
  kAuto,          // kOptimized
  kHierarchical,  // published algorithm: groups to nodes, replicas within nodes, replicas to GPUs
  kGlobal,        // published algorithm regardless of groups and nodes
  kOptimized,     // joint choice of replica counts and places
};

// "auto", "hierarchical", "global", "optimized".
std::string_view PolicyName(Policy policy);
std::optional<Policy> PolicyFromName(std::string_view name);
// Whether it is one of the published algorithms, which know neither budgets, gates nor work limits.
bool IsReference(Policy policy);

// Most weights that may be fetched on the way from the current placement; an unset budget is no limit, all unset asks
// for a full re-plan.
struct MoveBudget {
  std::optional<int> per_layer = {};       // fetches in each layer
  std::optional<int> total = {};           // fetches over all layers, which compete for them by gain
  std::optional<std::int64_t> bytes = {};  // total, at RebalanceOptions::bytes_per_expert each

  bool unlimited() const { return !per_layer && !total && !bytes; }
  bool operator==(const MoveBudget&) const = default;
};

// What is to be placed. Nothing is owned; everything must outlive the call.
struct RebalanceProblem {
  const Topology* topology = nullptr;        // required
  std::span<const LoadSample> samples = {};  // 1..kMaxSamples of equal shape
  const Placement* current = nullptr;        // the placement in force; null when there is none
  // [layers x slots] share of its expert's traffic that each slot of `current` takes, as in RebalancePlan; empty: equal
  // ones. Only what is reported as "before" looks at it.
  std::span<const double> current_shares = {};
  PlacementConstraints constraints = {};
  // Of each sample's loads, in squared tokens; empty: they are certain. Only plans within a budget weigh them.
  std::span<const LoadMatrix> variances = {};
};

struct RebalanceOptions {
  Policy policy = Policy::kAuto;
  std::int64_t work_limit = 0;        // evaluated moves per layer; 0: the policy's default
  MoveBudget budget = {};             // needs a current placement
  std::int64_t bytes_per_expert = 0;  // weights of one expert in one layer; needed for a budget in bytes
  int max_transfers_per_gpu = 0;      // most that a GPU stages, sends or receives in one transfer step; 0: no limit
  // Choose what share of its expert's traffic each slot gets, not equal ones; a placement that kOptimized plans anew is
  // then the best for such shares, with as much work again.
  bool traffic_shares = false;
  FetchPrice fetch_price = {};  // what the moves of a plan within a budget must earn
  // Of a plan within a budget: layers at least this balanced under every sample are only repaired; 0: none.
  double min_balancedness = 0;
  // Of a plan within a budget: see LoadPotential. 1..6; low where the placement is to last, high where only the largest
  // GPU load under the given samples counts.
  int power_exponent = 4;
  // False: lower bounds, 2 % of a plan for 288 slots on 32 GPUs, 15 % on 144, only of unchanged layers; else 0.
  bool always_bound = true;
};

// Why a layer's slots are as they were.
enum class NoChangeReason {
  kChanged,          // they are not as they were, or there was no current placement
  kAlreadyBest,      // no placement that the policy found is better
  kBudgetExhausted,  // a better one was found, but the moves went to layers that gain more
  kGainBelowPrice,   // a better one was found, but it is not worth the price of its fetches
};

// One layer of a plan. Means and maxima are weighted means over the samples of each sample's own; `after` is with the
// plan's slot_shares where it has them.
struct LayerReport {
  LayerBalance before;  // with the current placement, or the contiguous layout where there is none
  LayerBalance after;   // with the planned one
  // Proven: no placement that keeps the policy's rules has a lower after.max. 0 where not asked for.
  double lower_bound = 0;
  int fetches = 0;  // from the current placement; 0 where there is none
  int twins = 0;    // in the planned placement
  NoChangeReason reason = NoChangeReason::kChanged;
  double gain = 0;          // by a plan within a budget: fall of the potential, tokens per unit of speed
  int refused_fetches = 0;  // that would have gained, but less than their price
};

struct RebalancePlan {
  Placement placement;
  Policy policy;                    // the one that was used, never kAuto
  std::vector<LayerReport> layers;  // [layers]
  // The way from the current placement, in the smallest steps that keep every expert (see
  // migration/transfer_planner.h); empty where there is none.
  std::vector<Transfer> transfers = {};
  // [layers x slots] share of its expert's traffic that each slot gets, 0 for empty slots; empty: equal shares.
  std::vector<double> slot_shares = {};
  // [layers x slots] which replica of its expert a slot holds, from 0, in the order in which the published algorithm
  // makes them. Empty but for the reference policies where the placement is theirs to the last slot: with a current one
  // experts may have kept their slots.
  std::vector<std::int32_t> replica_ranks = {};

  // Sums over the layers.
  double balancedness_before() const;
  double balancedness_after() const;
  double worst_balancedness_before() const;
  double worst_balancedness_after() const;
  double step_time_before() const;
  double step_time_after() const;
  double lower_bound_step_time() const;  // sum of the lower bounds / sum of the means
  int fetches() const;
  int twins() const;
};

// Plans a placement: a pure function of its arguments, the same bytes for the same input whatever the width of
// `parallel`. kAuto is kOptimized, which improves the current placement within the budget where there is one, and else
// plans anew. INVALID_ARGUMENT names the field (topology, samples, current, constraints, options) that breaks a rule,
// each rule at once; FAILED_PRECONDITION when the usable slots cannot hold all experts.
absl::StatusOr<RebalancePlan> PlanRebalance(const RebalanceProblem& problem, const RebalanceOptions& options,
                                            const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_BALANCER_H_
