// Any problem that its parts' validation lets through gets a plan that keeps every invariant, or a clear error.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "server/balancer/balance_metrics.h"
#include "server/balancer/balancer.h"
#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/feasibility/placement_check.h"
#include "server/base/check.h"
#include "server/model/contiguous_placement.h"
#include "tests/fuzz/byte_source.h"

namespace eplb::fuzz {
namespace {

std::optional<Topology> MakeTopology(ByteSource& bytes) {
  TopologyOptions options{.num_gpus = bytes.Int(1, 12)};
  options.num_nodes = bytes.Int(1, options.num_gpus);
  options.num_groups = bytes.Int(1, 8);
  options.num_slots = bytes.Int(1, 60);
  if (bytes.Flag()) {
    int sum = 0;
    for (int gpu = 0; gpu < options.num_gpus; ++gpu) {
      options.slots_per_gpu.push_back(bytes.Int(0, 6));
      sum += options.slots_per_gpu.back();
    }
    options.num_slots = sum;
  }
  for (int gpu = 0; gpu < options.num_gpus && bytes.Flag(); ++gpu) {
    options.excluded_gpus.push_back(gpu);
    if (bytes.Flag()) options.draining_gpus.push_back(gpu);
  }
  if (bytes.Flag()) {
    for (int gpu = 0; gpu < options.num_gpus; ++gpu) options.gpu_speed.push_back(bytes.Int(1, 4096) / 1024.0);
  }
  if (bytes.Flag()) {
    for (int gpu = 0; gpu < options.num_gpus; ++gpu) options.node_of_gpu.push_back(bytes.Int(0, options.num_nodes - 1));
  }
  absl::StatusOr<Topology> topology = Topology::Create(options);
  if (!topology.ok()) return std::nullopt;
  return *std::move(topology);
}

LoadMatrix MakeLoads(ByteSource& bytes, int layers, int experts) {
  std::vector<double> values;
  for (int i = 0; i < layers * experts; ++i) {
    const int kind = bytes.Byte() & 7;
    double value = bytes.Byte();
    if (kind == 0) value = 0;
    if (kind == 1) value *= 1e12;
    if (kind == 2) value *= 1e-9;
    if (kind == 3) value = 100;
    values.push_back(value);
  }
  return LoadMatrix::Create(layers, experts, std::move(values)).value();
}

std::optional<Placement> MakeCurrent(ByteSource& bytes, int layers, int experts, const Topology& topology) {
  if (!bytes.Flag()) return std::nullopt;
  std::vector<std::int32_t> slots;
  for (int layer = 0; layer < layers; ++layer) {
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      const bool first_round = slot < experts;
      slots.push_back(first_round ? slot : bytes.Int(-1, experts - 1));
    }
    for (int swap = 0; swap < 8; ++swap) {
      const auto base = slots.end() - topology.num_slots();
      std::iter_swap(base + bytes.Int(0, topology.num_slots() - 1), base + bytes.Int(0, topology.num_slots() - 1));
    }
  }
  absl::StatusOr<Placement> placement = Placement::Create(layers, experts, topology.num_slots(), std::move(slots));
  if (!placement.ok()) return std::nullopt;
  return *std::move(placement);
}

RebalanceOptions MakeOptions(ByteSource& bytes, bool has_current) {
  constexpr Policy kPolicies[] = {Policy::kAuto, Policy::kHierarchical, Policy::kGlobal, Policy::kOptimized};
  RebalanceOptions options{.policy = kPolicies[bytes.Int(0, 3)]};
  options.work_limit = bytes.Int(0, 2000);
  options.bytes_per_expert = bytes.Int(0, 100);
  options.traffic_shares = bytes.Flag();
  options.max_transfers_per_gpu = bytes.Int(0, 3);
  if (!has_current) return options;
  if (bytes.Flag()) options.budget.per_layer = bytes.Int(0, 8);
  if (bytes.Flag()) options.budget.total = bytes.Int(0, 20);
  if (bytes.Flag() && options.bytes_per_expert > 0) options.budget.bytes = bytes.Int(0, 1000);
  return options;
}

// After the transfers every slot that is to hold an expert holds it. Every source holds what is copied from it before
// its step, and can send.
void CheckTransfers(const Placement& current, const RebalancePlan& plan, const Topology& topology) {
  const auto at = [&](int layer, std::int32_t slot) {
    return static_cast<std::size_t>(layer) * static_cast<std::size_t>(topology.num_slots()) +
           static_cast<std::size_t>(slot);
  };
  std::vector<std::int32_t> now(current.physical_to_logical().begin(), current.physical_to_logical().end());
  for (std::size_t i = 0; i < plan.transfers.size();) {
    const std::vector<std::int32_t> before = now;
    const std::int32_t step = plan.transfers[i].step;
    for (; i < plan.transfers.size() && plan.transfers[i].step == step; ++i) {
      const Transfer& transfer = plan.transfers[i];
      EPLB_CHECK(!topology.excluded(topology.gpu_of_slot(transfer.target_slot)));
      if (transfer.source_slot >= 0) {
        EPLB_CHECK(topology.can_send(topology.gpu_of_slot(transfer.source_slot)));
        EPLB_CHECK(before[at(transfer.layer, transfer.source_slot)] == transfer.expert);
      }
      now[at(transfer.layer, transfer.target_slot)] = transfer.expert;
    }
    EPLB_CHECK(i == plan.transfers.size() || plan.transfers[i].step > step);
  }
  for (int layer = 0; layer < current.num_layers(); ++layer) {
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      const std::int32_t planned = plan.placement.layer(layer)[static_cast<std::size_t>(slot)];
      EPLB_CHECK(planned == kEmptySlot || now[at(layer, slot)] == planned);
    }
  }
}

// No GPU stages, sends or receives more than the limit in any step.
void CheckSteps(std::span<const Transfer> transfers, const Topology& topology, int limit) {
  if (limit == 0) return;
  std::map<std::pair<int, int>, std::array<int, 3>> counts;  // of a step and a GPU: staged, sent, received
  for (const Transfer& transfer : transfers) {
    const int target = topology.gpu_of_slot(transfer.target_slot);
    const int source = transfer.source_slot < 0 ? -1 : topology.gpu_of_slot(transfer.source_slot);
    ++counts[{transfer.step, target}][0];
    if (source == target) continue;
    if (source >= 0) ++counts[{transfer.step, source}][1];
    ++counts[{transfer.step, target}][2];
  }
  for (const auto& [key, three] : counts) EPLB_CHECK(*std::ranges::max_element(three) <= limit);
}

// Experts of a layer that no usable GPU holds.
int CountLost(std::span<const std::int32_t> slots, int experts, const Topology& topology) {
  return static_cast<int>(LostExperts(slots, experts, topology).size());
}

// What holds of plans within a budget: it is kept but for what must come back, and the rules are broken no more.
void CheckIncrement(const RebalanceProblem& problem, const RebalanceOptions& options, const RebalancePlan& plan) {
  const Topology& topology = *problem.topology;
  const int experts = plan.placement.num_experts();
  int needed = 0;
  for (int layer = 0; layer < plan.placement.num_layers(); ++layer) {
    const auto before = problem.current->layer(layer);
    const auto after = plan.placement.layer(layer);
    // What was lost takes one fetch each, two where another expert has to make way.
    const int lost = 2 * CountLost(before, experts, topology);
    needed += lost;
    const int fetches = plan.layers[static_cast<std::size_t>(layer)].fetches;
    if (options.budget.per_layer) EPLB_CHECK(fetches <= *options.budget.per_layer + lost);
    EPLB_CHECK(CountTwins(after, topology) <= CountTwins(before, topology));
    int used = 0;
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      if (after[static_cast<std::size_t>(slot)] == kEmptySlot) continue;
      EPLB_CHECK(!topology.excluded(topology.gpu_of_slot(slot)));
      ++used;
    }
    EPLB_CHECK(used <= SlotBudget(problem.constraints, layer, topology));
  }
  if (options.budget.total) EPLB_CHECK(plan.fetches() <= *options.budget.total + needed);
  if (options.budget.bytes) {
    EPLB_CHECK(plan.fetches() <= *options.budget.bytes / options.bytes_per_expert + needed);
  }
}

// A plan within a budget fails only where a plan anew does.
void CheckRefusal(const RebalanceProblem& problem, RebalanceOptions options) {
  if (options.budget.unlimited() || IsReference(options.policy)) return;
  options.budget = {};
  EPLB_CHECK(!PlanRebalance(problem, options, SerialFor()).ok());
}

// A GPU may have more slots than there are experts for it: there alone twins are made.
bool SlotsOutnumber(const RebalanceProblem& problem) {
  const Topology& topology = *problem.topology;
  const int experts = problem.samples[0].loads.num_experts();
  if (problem.constraints.honour_groups) return true;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (!topology.excluded(gpu) && topology.slots_on(gpu) > experts) return true;
  }
  return false;
}

void CheckPlan(const RebalanceProblem& problem, const RebalanceOptions& options, const RebalancePlan& plan) {
  const LoadMatrix& loads = problem.samples[0].loads;
  const Topology& topology = *problem.topology;
  EPLB_CHECK(plan.policy != Policy::kAuto);
  EPLB_CHECK(plan.placement.num_slots() == topology.num_slots());
  EPLB_CHECK(plan.layers.size() == static_cast<std::size_t>(loads.num_layers()));
  int fetches = 0;
  for (int layer = 0; layer < loads.num_layers(); ++layer) {
    const LayerReport& report = plan.layers[static_cast<std::size_t>(layer)];
    std::vector<bool> placed(static_cast<std::size_t>(loads.num_experts()), false);
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      const std::int32_t expert = plan.placement.layer(layer)[static_cast<std::size_t>(slot)];
      if (expert != kEmptySlot && !topology.excluded(topology.gpu_of_slot(slot))) {
        placed[static_cast<std::size_t>(expert)] = true;
      }
    }
    for (const bool is_placed : placed) EPLB_CHECK(is_placed);
    EPLB_CHECK(std::isfinite(report.after.max) && report.after.max >= 0);
    EPLB_CHECK(report.after.max >= report.lower_bound * (1 - 1e-9));
    EPLB_CHECK(report.twins == CountTwins(plan.placement.layer(layer), topology));
    fetches += report.fetches;
  }
  EPLB_CHECK(fetches == plan.fetches());
  EPLB_CHECK(plan.slot_shares.empty() == !options.traffic_shares);
  EPLB_CHECK(problem.current != nullptr || plan.transfers.empty());
  if (problem.current != nullptr) {
    CheckTransfers(*problem.current, plan, topology);
    CheckSteps(plan.transfers, topology, options.max_transfers_per_gpu);
  }
  if (plan.policy == Policy::kOptimized && options.budget.unlimited()) {
    EPLB_CHECK(CheckPlacement(plan.placement, problem.constraints, topology).ok());
    EPLB_CHECK(plan.twins() == 0 || SlotsOutnumber(problem));
  }
  if (plan.policy == Policy::kOptimized && !options.budget.unlimited()) CheckIncrement(problem, options, plan);
}

}  // namespace
}  // namespace eplb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace eplb;  // NOLINT(google-build-using-namespace): one function, in a fuzz target
  fuzz::ByteSource bytes({data, size});
  const std::optional<Topology> topology = fuzz::MakeTopology(bytes);
  if (!topology) return 0;
  const int layers = bytes.Int(1, 3);
  const int experts = bytes.Int(1, 24);
  std::vector<LoadSample> samples;
  const int num_samples = bytes.Int(1, 3);
  for (int i = 0; i < num_samples; ++i) {
    samples.push_back({.loads = fuzz::MakeLoads(bytes, layers, experts), .weight = bytes.Int(1, 100) / 10.0});
  }
  std::optional<Placement> current;
  if (topology->num_slots() >= experts) current = fuzz::MakeCurrent(bytes, layers, experts, *topology);
  RebalanceProblem problem{.topology = &*topology, .samples = samples};
  if (current) problem.current = &*current;
  problem.constraints.min_replicas = bytes.Int(1, 2);
  problem.constraints.min_nodes_per_expert = bytes.Int(1, 2);
  problem.constraints.honour_groups = bytes.Flag();
  if (bytes.Flag()) {
    const int most = std::max(experts, topology->num_slots());
    for (int i = 0; i < layers; ++i) problem.constraints.slot_budget_per_layer.push_back(bytes.Int(experts, most));
  }
  const RebalanceOptions options = fuzz::MakeOptions(bytes, current.has_value());
  const absl::StatusOr<RebalancePlan> plan = PlanRebalance(problem, options, SerialFor());
  if (!plan.ok()) {
    EPLB_CHECK(plan.status().code() == absl::StatusCode::kInvalidArgument ||
               plan.status().code() == absl::StatusCode::kFailedPrecondition);
    EPLB_CHECK(!plan.status().message().empty());
    fuzz::CheckRefusal(problem, options);
    return 0;
  }
  fuzz::CheckPlan(problem, options, *plan);
  EPLB_CHECK(PlanRebalance(problem, options, SerialFor())->placement == plan->placement);
  return 0;
}
