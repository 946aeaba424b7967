#include "server/planner/capacity.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/index.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

absl::Status CheckOptions(const std::vector<CapacityCandidate>& candidates, const CapacityOptions& options) {
  FieldErrors errors;
  const auto check_ratio = [&](std::string_view field, const std::optional<double>& value) {
    if (value && !(*value > 0 && *value <= 1)) errors.Add(field, absl::StrCat(*value), "must be above 0 and at most 1");
  };
  const CapacityTarget& target = options.target;
  check_ratio("target.mean_balancedness", target.mean_balancedness);
  check_ratio("target.worst_balancedness", target.worst_balancedness);
  if (target.step_time && !(*target.step_time >= 1)) {
    errors.Add("target.step_time", absl::StrCat(*target.step_time), "must be at least 1");
  }
  if (!target.mean_balancedness && !target.worst_balancedness && !target.step_time) {
    errors.Add("target", "", "must state a balancedness or a step time");
  }
  if (options.curve_points < 2) errors.Add("curve_points", absl::StrCat(options.curve_points), "must be at least 2");
  if (options.verified_below < 0) {
    errors.Add("verified_below", absl::StrCat(options.verified_below), "must be at least 0");
  }
  if (candidates.empty()) errors.Add("candidates", "", "must have a fleet that holds all experts");
  return errors.ToStatus();
}

bool Meets(const CapacityOutcome& outcome, const CapacityTarget& target) {
  return (!target.mean_balancedness || outcome.mean_balancedness >= *target.mean_balancedness) &&
         (!target.worst_balancedness || outcome.worst_balancedness >= *target.worst_balancedness) &&
         (!target.step_time || outcome.step_time <= *target.step_time);
}

// The candidates by index, each evaluated once.
class Search {
 public:
  Search(const std::vector<CapacityCandidate>& candidates, const CapacityOptions& options,
         const CapacityEvaluator& evaluate)
      : candidates_(candidates), options_(options), evaluate_(evaluate) {}

  absl::StatusOr<CapacityPlan> Run() {
    const int last = static_cast<int>(candidates_.size()) - 1;
    for (int i = 0; i < options_.curve_points; ++i) {
      EPLB_RETURN_IF_ERROR(Evaluate(static_cast<int>(std::int64_t{last} * i / (options_.curve_points - 1))));
    }
    EPLB_RETURN_IF_ERROR(Bisect());
    EPLB_RETURN_IF_ERROR(VerifyBelow());
    CapacityPlan plan;
    if (std::ranges::none_of(points_, [](const auto& entry) { return entry.second.has_value(); })) return impossible_;
    for (const auto& [index, entry] : points_) {
      if (!entry) continue;
      const CapacityPoint& point = *entry;
      plan.curve.push_back(point);
      if (point.meets_target && !plan.answer) plan.answer = point;
    }
    return plan;
  }

 private:
  absl::Status Evaluate(int index) {
    if (points_.contains(index)) return absl::OkStatus();
    const CapacityCandidate& candidate = candidates_[Index(index)];
    const absl::StatusOr<CapacityOutcome> outcome = evaluate_(candidate);
    if (absl::IsFailedPrecondition(outcome.status())) {
      impossible_ = outcome.status();
      points_[index] = std::nullopt;
      return absl::OkStatus();
    }
    EPLB_RETURN_IF_ERROR(outcome.status());
    points_[index] = {.candidate = candidate, .outcome = *outcome, .meets_target = Meets(*outcome, options_.target)};
    return absl::OkStatus();
  }

  // The smallest index known to meet the target, -1 for none.
  int FirstMeeting() const {
    for (const auto& [index, point] : points_) {
      if (point && point->meets_target) return index;
    }
    return -1;
  }

  absl::Status Bisect() {
    while (true) {
      const int high = FirstMeeting();
      if (high <= 0) return absl::OkStatus();
      const auto below = points_.lower_bound(high);
      if (below == points_.begin()) return absl::OkStatus();
      const int low = std::prev(below)->first;
      if (high - low <= 1) return absl::OkStatus();
      EPLB_RETURN_IF_ERROR(Evaluate(low + (high - low) / 2));
    }
  }

  absl::Status VerifyBelow() {
    int answer = FirstMeeting();
    for (int below = answer - 1; below >= 0 && below >= answer - options_.verified_below; --below) {
      EPLB_RETURN_IF_ERROR(Evaluate(below));
      if (points_[below] && points_[below]->meets_target) answer = below;
    }
    return absl::OkStatus();
  }

  const std::vector<CapacityCandidate>& candidates_;
  const CapacityOptions& options_;
  const CapacityEvaluator& evaluate_;
  std::map<int, std::optional<CapacityPoint>> points_;  // nothing: no placement keeps the rules there
  absl::Status impossible_;                             // the last of those
};

}  // namespace

std::vector<CapacityCandidate> SlotCandidates(int num_gpus, int min_slots, int max_slots, int slot_step) {
  EPLB_CHECK(slot_step >= 1);
  std::vector<CapacityCandidate> candidates;
  for (int slots = min_slots; slots <= max_slots; slots += slot_step) {
    candidates.push_back({.num_slots = slots, .num_gpus = num_gpus});
  }
  return candidates;
}

std::vector<CapacityCandidate> GpuCandidates(int num_experts, int slots_per_gpu, int min_gpus, int max_gpus,
                                             int gpu_step) {
  EPLB_CHECK(gpu_step >= 1);
  std::vector<CapacityCandidate> candidates;
  for (int gpus = min_gpus; gpus <= max_gpus; gpus += gpu_step) {
    const std::int64_t slots = std::int64_t{gpus} * slots_per_gpu;
    if (slots >= num_experts) candidates.push_back({.num_slots = static_cast<int>(slots), .num_gpus = gpus});
  }
  return candidates;
}

absl::StatusOr<CapacityPlan> PlanCapacity(const std::vector<CapacityCandidate>& candidates,
                                          const CapacityOptions& options, const CapacityEvaluator& evaluate) {
  EPLB_RETURN_IF_ERROR(CheckOptions(candidates, options));
  return Search(candidates, options, evaluate).Run();
}

}  // namespace eplb
