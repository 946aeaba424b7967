#ifndef EPLB_SERVER_PLANNER_CAPACITY_H_
#define EPLB_SERVER_PLANNER_CAPACITY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"

namespace eplb {

// A fleet size that might do.
struct CapacityCandidate {
  int num_slots = 0;
  int num_gpus = 0;

  bool operator==(const CapacityCandidate&) const = default;
};

// What a plan for one fleet size reaches.
struct CapacityOutcome {
  double mean_balancedness = 1;   // over layers
  double worst_balancedness = 1;  // of any layer
  double step_time = 1;           // see balance_metrics.h
  double bound_step_time = 1;     // proven: no plan for this size has a lower one
};

struct CapacityPoint {
  CapacityCandidate candidate;
  CapacityOutcome outcome;
  bool meets_target = false;
};

// What is asked for; every target that is set must be met.
struct CapacityTarget {
  std::optional<double> mean_balancedness = {};   // at least, in (0, 1]
  std::optional<double> worst_balancedness = {};  // at least, in (0, 1]
  std::optional<double> step_time = {};           // at most, >= 1
};

struct CapacityOptions {
  CapacityTarget target = {};
  int curve_points = 9;  // candidates evaluated evenly over the range before the search narrows; >= 2
  // Candidates just below the answer that are evaluated to see that they fall short: plans are found by search, so
  // their quality does not rise quite monotonically with the slots.
  int verified_below = 3;
};

struct CapacityPlan {
  std::vector<CapacityPoint> curve;     // everything that was evaluated, smallest fleet first
  std::optional<CapacityPoint> answer;  // the smallest evaluated that meets the target; none if none does
};

// Plans for one fleet size and says what that reaches. Pure: the same answer for the same candidate.
using CapacityEvaluator = std::function<absl::StatusOr<CapacityOutcome>(const CapacityCandidate& candidate)>;

// Fleets of num_gpus GPUs with min_slots, min_slots + slot_step, ... up to max_slots slots. slot_step: the number of
// GPUs for even slots, 1 for any.
std::vector<CapacityCandidate> SlotCandidates(int num_gpus, int min_slots, int max_slots, int slot_step);

// Fleets of min_gpus, min_gpus + gpu_step, ... up to max_gpus GPUs with slots_per_gpu slots each, as far as they hold
// num_experts experts.
std::vector<CapacityCandidate> GpuCandidates(int num_experts, int slots_per_gpu, int min_gpus, int max_gpus,
                                             int gpu_step);

// How large a fleet a target needs. candidates: smallest first. Evaluates curve_points of them spread evenly, first and
// last included; then bisects between the last that falls short and the first that meets the target; then evaluates
// verified_below candidates below the answer, and goes on down from any of them that meets the target after all.
// A candidate for which the evaluator answers FAILED_PRECONDITION, as where replicas are asked for that it has no slots
// for, falls short and is left out of the curve; where all do, the last of these is the answer. INVALID_ARGUMENT names
// an option or target out of bounds; other errors of the evaluator are returned as they are.
absl::StatusOr<CapacityPlan> PlanCapacity(const std::vector<CapacityCandidate>& candidates,
                                          const CapacityOptions& options, const CapacityEvaluator& evaluate);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_CAPACITY_H_
