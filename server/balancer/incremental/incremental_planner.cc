#include "server/balancer/incremental/incremental_planner.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/feasibility/feasibility.h"
#include "server/balancer/incremental/at.h"
#include "server/balancer/incremental/layer_planner.h"
#include "server/balancer/incremental/move_allocation.h"
#include "server/base/check.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr int kNoLimit = std::numeric_limits<int>::max();
// Slots that are looked at for one layer's balancing moves, every slot once for each: 1800 moves of 288 slots, more
// than are ever worth making, 170 of 3072. Enough for any budget that a plan from the placement in force is meant for.
constexpr int kMostWork = 1 << 19;
constexpr int kLeastSearches = 16;

int MostSearches(int num_slots) { return std::max(kLeastSearches, kMostWork / num_slots); }

// Whether every expert can have a slot, whatever else the constraints ask for: repairs go as far as they can.
absl::Status CheckSlotsSuffice(const IncrementalProblem& problem) {
  const PlacementConstraints coverage{.slot_budget_per_layer = problem.constraints.slot_budget_per_layer};
  return CheckFeasible(coverage, problem.current->num_layers(), problem.current->num_experts(), *problem.topology,
                       problem.current);
}

void FillSamples(const IncrementalProblem& problem, const IncrementalOptions& options, int layer,
                 std::vector<LayerSample>& samples) {
  samples.clear();
  for (int k = 0; k < static_cast<int>(problem.samples.size()); ++k) {
    const LoadSample& sample = At(problem.samples, k);
    samples.push_back({.weight = sample.weight, .loads = sample.loads.layer(layer)});
    if (!problem.variances.empty()) samples.back().variance = At(problem.variances, k).layer(layer);
    if (!options.price.noise_ratio.empty()) samples.back().noise_ratio = At(options.price.noise_ratio, layer);
  }
}

// Plans layers on the workers, each with a planner of its own.
class Layers {
 public:
  Layers(const IncrementalProblem& problem, const IncrementalOptions& options, const ParallelFor& parallel)
      : problem_(problem),
        options_(options),
        parallel_(parallel),
        planners_(static_cast<std::size_t>(parallel.width())),
        samples_(static_cast<std::size_t>(parallel.width())),
        moves_(static_cast<std::size_t>(problem.current->num_layers())),
        limits_(moves_.size(), 0) {}

  std::span<const LayerMoves> moves() const { return moves_; }

  // Plans the given layers with at most `limit` fetches each.
  void Plan(std::span<const int> layers, int limit) {
    parallel_.Run(static_cast<int>(layers.size()), [&](int index, int worker) {
      const int layer = At(layers, index);
      const bool is_balanced = options_.min_balancedness > 0 && IsBalanced(layer);
      At(moves_, layer) = Planner(worker).Plan(layer, problem_.current->layer(layer), Samples(layer, worker),
                                               {.max_fetches = limit,
                                                .repairs_only = is_balanced,
                                                .max_searches = MostSearches(problem_.current->num_slots())});
      At(limits_, layer) = limit;
    });
  }

 private:
  LayerPlanner& Planner(int worker) {
    std::unique_ptr<LayerPlanner>& planner = At(planners_, worker);
    if (planner == nullptr) {
      planner = std::make_unique<LayerPlanner>(*problem_.topology, problem_.constraints,
                                               problem_.current->num_experts(), options_.power_exponent);
    }
    return *planner;
  }

  std::span<const LayerSample> Samples(int layer, int worker) {
    FillSamples(problem_, options_, layer, At(samples_, worker));
    return At(samples_, worker);
  }

  bool IsBalanced(int layer) const {
    BalanceMeter meter(*problem_.topology);
    return std::ranges::all_of(problem_.samples, [&](const LoadSample& sample) {
      return meter.Measure(problem_.current->layer(layer), sample.loads.layer(layer)).balancedness() >=
             options_.min_balancedness;
    });
  }

  const IncrementalProblem& problem_;
  const IncrementalOptions& options_;
  const ParallelFor& parallel_;
  std::vector<std::unique_ptr<LayerPlanner>> planners_;  // [workers]
  std::vector<std::vector<LayerSample>> samples_;        // [workers]
  std::vector<LayerMoves> moves_;                        // [layers]
  std::vector<int> limits_;                              // [layers]
};

// A layer's list may have ended for its length alone; lists that were taken whole are made longer, until the
// allocation of the total no longer changes.
MoveAllocation PlanWithinTotal(Layers& layers, int num_layers, int per_layer, std::int64_t total,
                               const FetchPrice& price) {
  std::vector<int> open(static_cast<std::size_t>(num_layers));
  std::iota(open.begin(), open.end(), 0);
  const std::int64_t most = std::min<std::int64_t>(per_layer, total);
  // Twice an equal share: long enough for most layers.
  int limit = static_cast<int>(std::min(most, std::min<std::int64_t>(kNoLimit / 2, total / num_layers) * 2 + 2));
  layers.Plan(open, limit);
  MoveAllocation allocation = AllocateMoves(layers.moves(), total, price);
  while (limit < most) {
    std::erase_if(open, [&](int layer) {
      const LayerMoves& moves = At(layers.moves(), layer);
      return moves.exhausted || moves.out_of_work || At(allocation.taken, layer) < static_cast<int>(moves.moves.size());
    });
    if (open.empty()) break;
    limit = static_cast<int>(std::min<std::int64_t>(most, 2 * static_cast<std::int64_t>(limit)));
    layers.Plan(open, limit);
    allocation = AllocateMoves(layers.moves(), total, price);
  }
  return allocation;
}

}  // namespace

double MeasurePotential(const IncrementalProblem& problem, const IncrementalOptions& options, int layer,
                        std::span<const std::int32_t> slots) {
  std::vector<LayerSample> samples;
  FillSamples(problem, options, layer, samples);
  LayerPlanner planner(*problem.topology, problem.constraints, problem.current->num_experts(), options.power_exponent);
  return planner.Potential(layer, slots, samples);
}

absl::StatusOr<IncrementalPlan> PlanIncrement(const IncrementalProblem& problem, const IncrementalOptions& options,
                                              const ParallelFor& parallel) {
  EPLB_CHECK(problem.topology != nullptr && problem.current != nullptr && !problem.samples.empty());
  EPLB_CHECK(problem.variances.empty() || problem.variances.size() == problem.samples.size());
  EPLB_RETURN_IF_ERROR(CheckSlotsSuffice(problem));
  const Placement& current = *problem.current;
  const int per_layer = options.max_fetches_per_layer.value_or(kNoLimit);
  const std::int64_t total = options.max_fetches.value_or(std::numeric_limits<std::int64_t>::max());
  Layers layers(problem, options, parallel);
  const MoveAllocation allocation = PlanWithinTotal(layers, current.num_layers(), per_layer, total, options.price);

  std::vector<std::int32_t> slots(current.physical_to_logical().begin(), current.physical_to_logical().end());
  std::vector<IncrementalLayer> reports(static_cast<std::size_t>(current.num_layers()));
  const int num_slots = current.num_slots();
  const bool all_usable = problem.topology->num_usable_slots() == num_slots;
  for (int layer = 0; layer < current.num_layers(); ++layer) {
    const std::span<std::int32_t> row = std::span(slots).subspan(
        static_cast<std::size_t>(layer) * static_cast<std::size_t>(num_slots), static_cast<std::size_t>(num_slots));
    for (int slot = 0; !all_usable && slot < num_slots; ++slot) {
      if (problem.topology->excluded(problem.topology->gpu_of_slot(slot))) At(row, slot) = kEmptySlot;
    }
    const LayerMoves& moves = At(layers.moves(), layer);
    IncrementalLayer& report = At(reports, layer);
    const int taken = At(allocation.taken, layer);
    for (int i = 0; i < taken; ++i) {
      const Move& move = At(moves.moves, i);
      for (int j = 0; j < move.num_changes; ++j) At(row, At(move.changes, j).slot) = At(move.changes, j).expert;
      report.fetches += move.fetches;
      report.repairs += move.urgency != MoveUrgency::kBalance;
      report.gain += move.urgency == MoveUrgency::kBalance ? move.gain : 0.0;
    }
    report.refused_fetches = At(allocation.refused_fetches, layer);
    report.out_of_work = moves.out_of_work && taken == static_cast<int>(moves.moves.size());
    report.budget_exhausted =
        report.refused_fetches == 0 && (!moves.exhausted || taken < static_cast<int>(moves.moves.size()));
  }
  absl::StatusOr<Placement> placement =
      Placement::Create(current.num_layers(), current.num_experts(), num_slots, std::move(slots));
  // The caller has asked for nothing wrong, whatever could not be repaired.
  if (!placement.ok()) return absl::FailedPreconditionError(placement.status().message());
  return IncrementalPlan{.placement = *std::move(placement), .layers = std::move(reports)};
}

}  // namespace eplb
