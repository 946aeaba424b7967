#ifndef EPLB_SERVER_PLANNER_PLAN_SETTINGS_H_
#define EPLB_SERVER_PLANNER_PLAN_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/balancer/balancer.h"

namespace eplb {

// Largest bounds of the benefit gate's settings, whoever states them.
inline constexpr double kMaxLinkBytesPerSecond = 1e15;
inline constexpr double kMaxHysteresisRatio = 1000;

// How a live deployment is planned, every default resolved.
struct PlanSettings {
  Policy policy = Policy::kAuto;
  std::int64_t work_limit = 0;  // evaluated moves per layer; 0: the policy's default
  bool honour_groups = false;
  MoveBudget budget = {.per_layer = 3, .total = {}, .bytes = {}};
  int max_transfers_per_gpu = 1;               // staged, sent or received by one GPU within one step
  std::int64_t bytes_per_expert = 44'040'192;  // weights of one expert in one layer
  bool traffic_shares = false;

  // The benefit gate.
  bool gate_disabled = false;
  absl::Duration horizon = absl::Seconds(60);
  double intra_node_bytes_per_second = 100e9;
  double inter_node_bytes_per_second = 20e9;
  double hysteresis_ratio = 0.1;
  double expert_time_ratio = 0.5;
  double min_balancedness = 0;  // layers at least this balanced are left alone; 0: no threshold
};

// What a deployment or one request states of it: unset fields stay as they are.
struct PlanOverrides {
  std::optional<Policy> policy = {};
  std::optional<std::int64_t> work_limit = {};
  std::optional<bool> honour_groups = {};
  std::optional<MoveBudget> budget = {};
  std::optional<int> max_transfers_per_gpu = {};
  std::optional<std::int64_t> bytes_per_expert = {};
  std::optional<bool> traffic_shares = {};
  std::optional<bool> gate_disabled = {};
  std::optional<absl::Duration> horizon = {};
  std::optional<double> intra_node_bytes_per_second = {};
  std::optional<double> inter_node_bytes_per_second = {};
  std::optional<double> hysteresis_ratio = {};
  std::optional<double> expert_time_ratio = {};
  std::optional<double> min_balancedness = {};

  bool operator==(const PlanOverrides&) const = default;
};

// The first field in which they differ, as in "options.policy was told differently"; empty where they are equal.
std::string DescribeDifference(const PlanOverrides& mine, const PlanOverrides& other);

// Lays the overrides over the settings. Values were validated at the edge.
PlanSettings Overlay(PlanSettings settings, const PlanOverrides& overrides);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_PLAN_SETTINGS_H_
