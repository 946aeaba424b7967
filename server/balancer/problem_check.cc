#include "server/balancer/problem_check.h"

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

void CheckSamples(FieldErrors& errors, std::span<const LoadSample> samples) {
  if (samples.empty() || samples.size() > kMaxSamples) {
    errors.Add("samples", absl::StrCat(samples.size(), " samples"), absl::StrCat("must be from 1 to ", kMaxSamples));
    return;
  }
  const LoadMatrix& first = samples[0].loads;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const LoadSample& sample = samples[i];
    if (!(sample.weight > 0 && sample.weight <= kMaxSampleWeight)) {
      errors.Add(absl::StrCat("samples[", i, "].weight"), absl::StrCat(sample.weight),
                 "must be above 0 and at most 2^53");
    }
    if (sample.loads.num_layers() != first.num_layers() || sample.loads.num_experts() != first.num_experts()) {
      errors.Add(absl::StrCat("samples[", i, "].loads"),
                 absl::StrCat(sample.loads.num_layers(), " x ", sample.loads.num_experts()),
                 absl::StrCat("must have the shape of samples[0], ", first.num_layers(), " layers x ",
                              first.num_experts(), " experts"));
    }
  }
}

void CheckCurrent(FieldErrors& errors, const RebalanceProblem& problem) {
  if (problem.current == nullptr) return;
  const LoadMatrix& loads = problem.samples[0].loads;
  const auto check = [&](std::string_view what, int value, int expected) {
    if (value == expected) return;
    errors.Add("current", absl::StrCat(value, " ", std::string(what)), absl::StrCat("must be ", expected));
  };
  check("layers", problem.current->num_layers(), loads.num_layers());
  check("experts", problem.current->num_experts(), loads.num_experts());
  check("slots", problem.current->num_slots(), problem.topology->num_slots());
}

void CheckBudget(FieldErrors& errors, const RebalanceProblem& problem, const RebalanceOptions& options) {
  const auto check = [&](std::string_view field, std::optional<std::int64_t> value) {
    if (value && *value < 0) errors.Add(field, absl::StrCat(*value), "must be at least 0");
  };
  check("budget.per_layer", options.budget.per_layer);
  check("budget.total", options.budget.total);
  check("budget.bytes", options.budget.bytes);
  check("work_limit", options.work_limit);
  check("bytes_per_expert", options.bytes_per_expert);
  check("max_transfers_per_gpu", options.max_transfers_per_gpu);
  if (options.budget.bytes && options.bytes_per_expert == 0) {
    errors.Add("bytes_per_expert", "0", "must be above 0 with a budget in bytes");
  }
  if (!options.budget.unlimited() && problem.current == nullptr) {
    errors.Add("budget", "", "needs the current placement");
  }
}

// The published algorithms know no budget and no rules.
void CheckReference(FieldErrors& errors, const RebalanceProblem& problem, const RebalanceOptions& options) {
  if (!IsReference(options.policy)) return;
  constexpr std::string_view kRule = "needs the optimized policy";
  const PlacementConstraints& rules = problem.constraints;
  if (!options.budget.unlimited()) errors.Add("budget", "", kRule);
  if (rules.min_replicas > 1) errors.Add("constraints.min_replicas", absl::StrCat(rules.min_replicas), kRule);
  if (rules.min_nodes_per_expert > 1) {
    errors.Add("constraints.min_nodes_per_expert", absl::StrCat(rules.min_nodes_per_expert), kRule);
  }
  if (!rules.slot_budget_per_layer.empty()) {
    errors.Add("constraints.slot_budget_per_layer", absl::StrCat(rules.slot_budget_per_layer.size(), " entries"),
               kRule);
  }
}

}  // namespace

absl::Status CheckProblem(const RebalanceProblem& problem, const RebalanceOptions& options) {
  EPLB_CHECK(problem.topology != nullptr);
  FieldErrors errors;
  CheckSamples(errors, problem.samples);
  if (!errors.empty()) return errors.ToStatus();
  const int num_experts = problem.samples[0].loads.num_experts();
  if (problem.topology->num_slots() < num_experts) {
    errors.Add("topology.num_slots", absl::StrCat(problem.topology->num_slots()),
               absl::StrCat("must be at least the number of experts, ", num_experts));
  }
  CheckCurrent(errors, problem);
  CheckBudget(errors, problem, options);
  CheckReference(errors, problem, options);
  return errors.ToStatus();
}

}  // namespace eplb
