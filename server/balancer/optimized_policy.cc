#include "server/balancer/optimized_policy.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/search/layer_search.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// What one worker reuses from layer to layer.
struct Scratch {
  explicit Scratch(const SearchProblem& problem) : search(problem) {}

  LayerSearch search;
  std::vector<SampleLoads> rows;
};

}  // namespace

absl::StatusOr<Placement> PlaceOptimized(std::span<const LoadSample> samples, const Topology& topology,
                                         const PlacementConstraints& constraints, std::int64_t work_limit,
                                         const ParallelFor& parallel) {
  const int num_layers = samples[0].loads.num_layers();
  const int num_experts = samples[0].loads.num_experts();
  EPLB_RETURN_IF_ERROR(CheckConstraints(constraints, num_layers, num_experts, topology));
  EPLB_RETURN_IF_ERROR(CheckFeasible(constraints, num_layers, num_experts, topology, nullptr));

  const SearchProblem search_problem{
      .topology = &topology, .constraints = &constraints, .num_experts = num_experts, .work_limit = work_limit};
  std::vector<std::unique_ptr<Scratch>> scratches(static_cast<std::size_t>(parallel.width()));
  const int num_slots = topology.num_slots();
  std::vector<std::int32_t> slots(static_cast<std::size_t>(num_layers) * static_cast<std::size_t>(num_slots));
  parallel.Run(num_layers, [&](int layer, int worker) {
    std::unique_ptr<Scratch>& scratch = scratches[static_cast<std::size_t>(worker)];
    if (scratch == nullptr) scratch = std::make_unique<Scratch>(search_problem);
    scratch->rows.clear();
    for (const LoadSample& sample : samples) scratch->rows.push_back({sample.loads.layer(layer), sample.weight});
    const std::vector<int>& budgets = constraints.slot_budget_per_layer;
    const int budget = budgets.empty()
                           ? topology.num_usable_slots()
                           : std::min(budgets[static_cast<std::size_t>(layer)], topology.num_usable_slots());
    std::ranges::copy(scratch->search.Run(scratch->rows, budget), slots.begin() + std::ptrdiff_t{layer} * num_slots);
  });
  return Placement::Create(num_layers, num_experts, num_slots, std::move(slots));
}

}  // namespace eplb
