#include "client/eplbctl/capacity_result.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/text_table.h"

namespace eplb {
namespace {

constexpr double kCurveWidth = 40;

nlohmann::ordered_json PointJson(int num_experts, const CapacityPoint& point) {
  return {{"slots", point.candidate.num_slots},
          {"gpus", point.candidate.num_gpus},
          {"redundant_slots", point.candidate.num_slots - num_experts},
          {"balancedness", point.outcome.mean_balancedness},
          {"worst_balancedness", point.outcome.worst_balancedness},
          {"step_time", point.outcome.step_time},
          {"lower_bound_step_time", point.outcome.bound_step_time},
          {"meets_target", point.meets_target}};
}

// A bar from the lowest balancedness of the curve to 1.
std::string Bar(double balancedness, double lowest) {
  const double part = lowest < 1 ? (balancedness - lowest) / (1 - lowest) : 1.0;
  return std::string(static_cast<std::size_t>(1 + std::lround(part * (kCurveWidth - 1))), '#');
}

}  // namespace

std::string CapacityJson(int num_experts, const CapacityPlan& plan) {
  nlohmann::ordered_json json;
  json["answer"] = plan.answer ? PointJson(num_experts, *plan.answer) : nlohmann::ordered_json();
  json["curve"] = nlohmann::ordered_json::array();
  for (const CapacityPoint& point : plan.curve) json["curve"].push_back(PointJson(num_experts, point));
  return json.dump(2) + "\n";
}

std::string CapacityTable(const std::string& title, int num_experts, const CapacityPlan& plan, bool colour) {
  std::string out = title + "\n";
  if (plan.answer) {
    const CapacityCandidate& answer = plan.answer->candidate;
    absl::StrAppend(&out, Emphasize(absl::StrCat(answer.num_slots, " slots on ", answer.num_gpus, " GPUs (",
                                                 answer.num_slots - num_experts, " redundant) meet the target"),
                                    Emphasis::kGood, colour));
  } else {
    out += Emphasize("no fleet within the bounds meets the target", Emphasis::kBad, colour);
  }
  out += "\n\n";
  double lowest = 1;
  for (const CapacityPoint& point : plan.curve) lowest = std::min(lowest, point.outcome.mean_balancedness);
  TextTable table(
      {"slots", "GPUs", "redundant", "balancedness", "worst layer", "step time", "at best", "target", "curve"});
  table.AlignLeft(8);
  for (const CapacityPoint& point : plan.curve) {
    table.AddRow({Grouped(point.candidate.num_slots), Grouped(point.candidate.num_gpus),
                  Grouped(point.candidate.num_slots - num_experts), Fixed(point.outcome.mean_balancedness, 4),
                  Fixed(point.outcome.worst_balancedness, 4), Fixed(point.outcome.step_time, 4),
                  Fixed(point.outcome.bound_step_time, 4), Cell(point.meets_target ? "met" : "", Emphasis::kGood),
                  Bar(point.outcome.mean_balancedness, lowest)});
  }
  return out + table.Format(colour);
}

}  // namespace eplb
