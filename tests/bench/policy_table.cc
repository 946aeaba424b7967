// One table of everything that plans: for each shape the placement in force, the published reference policy, the
// optimizing one with even and with chosen traffic shares, and an incremental plan of three moves per layer, all from
// the same placement in force to the same loads. And what each tripling of the work limit buys.
//
// The loads are lognormal, sigma 1, seeded; the placement in force is the reference's for what the loads were before
// each of them drifted by an independent lognormal factor, sigma 0.15.
//
// policy_table [--quick]: --quick plans a few layers once, to see that it works. The exit code is 1 where a plan is
// below its proven bound, or the optimizing policy worse than the reference on any layer.

#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/balancer.h"
#include "server/balancer/incremental/incremental_planner.h"
#include "server/balancer/optimized_policy.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/base/index.h"
#include "server/base/thread_team.h"
#include "tests/bench/machine.h"
#include "tests/bench/shapes.h"

namespace eplb::bench {
namespace {

constexpr int kMoves = 3;  // per layer, of the incremental plan
constexpr double kDrift = 0.15;
constexpr double kRounding = 1e-9;
constexpr char kCurveShape[] = "deepseek_v3_288_96";

struct Extent {
  int most_layers = 1000;
  int runs = 5;
  std::int64_t most_work = 10'000'000;  // of the curve
};

// What every policy is asked: a shape, its loads, and what is in force.
struct Question {
  explicit Question(Shape asked)
      : shape(std::move(asked)),
        topology(TopologyOf(shape)),
        reference(shape.groups > 1 ? Policy::kHierarchical : Policy::kGlobal),
        constraints{.honour_groups = shape.groups > 1},
        sample{.loads = LognormalLoads(shape, 1)} {
    const LoadSample former{.loads = DriftedLoads(sample.loads, 2, kDrift)};
    current = PlanRebalance({.topology = &topology, .samples = {&former, 1}}, {.policy = reference}, SerialFor())
                  .value()
                  .placement;
  }

  RebalanceProblem problem() const {
    return {.topology = &topology, .samples = {&sample, 1}, .current = &*current, .constraints = constraints};
  }

  Shape shape;
  Topology topology;
  Policy reference;
  PlacementConstraints constraints;
  LoadSample sample;
  std::optional<Placement> current;
};

// One row's policy: its options, and its search alone, without checks, bounds, reports and transfers.
struct Contestant {
  std::string name;
  RebalanceOptions options;
  std::function<void(const Question&, const ParallelFor&)> place;
};

void PlaceByReference(const Question& question, const ParallelFor& parallel) {
  const ReferenceShape shape = question.reference == Policy::kHierarchical
                                   ? HierarchicalShape(question.shape.experts, question.topology)
                                   : GlobalShape(question.shape.experts, question.topology);
  std::vector<ReferencePolicy> policies(Index(parallel.width()), ReferencePolicy(shape));
  parallel.Run(question.shape.layers,
               [&](int layer, int worker) { policies[Index(worker)].Run(question.sample.loads.layer(layer)); });
}

void PlaceOptimally(const Question& question, const ParallelFor& parallel) {
  (void)PlaceOptimized({&question.sample, 1}, question.topology, question.constraints, {}, nullptr, parallel).value();
}

void PlaceForShares(const Question& question, const ParallelFor& parallel) {
  (void)PlaceOptimized({&question.sample, 1}, question.topology, question.constraints, {.traffic_shares = true},
                       nullptr, parallel)
      .value();
}

void PlaceByMoves(const Question& question, const ParallelFor& parallel) {
  (void)PlanIncrement({.topology = &question.topology,
                       .samples = {&question.sample, 1},
                       .current = &*question.current,
                       .constraints = question.constraints},
                      {.max_fetches_per_layer = kMoves}, parallel)
      .value();
}

std::vector<Contestant> ContestantsFor(const Question& question) {
  return {{.name = "reference", .options = {.policy = question.reference}, .place = PlaceByReference},
          {.name = "optimized", .options = {.policy = Policy::kOptimized}, .place = PlaceOptimally},
          {.name = "optimized+shares",
           .options = {.policy = Policy::kOptimized, .traffic_shares = true},
           .place = PlaceForShares},
          {.name = "incremental",
           .options = {.policy = Policy::kOptimized, .budget = {.per_layer = kMoves}},
           .place = PlaceByMoves}};
}

struct Quality {
  double balancedness = 0;
  double worst = 1;
  double bound = 0;  // balancedness that is proven to be out of reach
  double gap = 0;    // GPU load above the proven bound, as a part of it
  double fetches = 0;
  int twins = 0;
};

// Means over the layers of `plan` with the balance that `which` says.
Quality Judge(const RebalancePlan& plan, LayerBalance LayerReport::*which, int num_slots) {
  Quality quality;
  const double count = static_cast<double>(plan.layers.size());
  for (const LayerReport& layer : plan.layers) {
    const LayerBalance balance = layer.*which;
    quality.balancedness += balance.balancedness() / count;
    quality.worst = std::min(quality.worst, balance.balancedness());
    quality.bound += balance.mean / layer.lower_bound / count;
    quality.gap += (balance.max / layer.lower_bound - 1) / count;
    quality.fetches += layer.fetches / count / num_slots;
    quality.twins += layer.twins;
  }
  return quality;
}

void PrintHeader() {
  std::printf("%-31s %-17s %9s %9s %9s %9s %9s %9s %9s %8s %8s %7s\n", "shape", "policy", "place ms", "plan ms",
              "2 threads", "speed-up", "balanced", "worst", "bound", "gap %", "fetch %", "twins");
}

void PrintQuality(const Quality& quality) {
  std::printf(" %9.5f %9.5f %9.5f %8.4f %8.2f %7d\n", quality.balancedness, quality.worst, quality.bound,
              100 * quality.gap, 100 * quality.fetches, quality.twins);
  std::fflush(stdout);
}

// What must hold of every plan: see the top of the file. reference: null for the reference itself.
bool KeepsPromises(const RebalancePlan& plan, const RebalancePlan* reference) {
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    const double max = plan.layers[layer].after.max;
    if (max < plan.layers[layer].lower_bound * (1 - kRounding)) return false;
    if (reference != nullptr && max > reference->layers[layer].after.max * (1 + kRounding)) return false;
  }
  return true;
}

bool PrintShape(const Shape& shape, int runs, const ThreadTeam& team) {
  const Question question(shape);
  const RebalanceProblem problem = question.problem();
  const SerialFor serial;
  std::optional<RebalancePlan> reference;
  bool kept = true;
  for (const Contestant& contestant : ContestantsFor(question)) {
    const RebalancePlan plan = PlanRebalance(problem, contestant.options, serial).value();
    if (!reference) {
      Quality before = Judge(plan, &LayerReport::before, shape.slots);
      before.fetches = 0;
      before.twins = 0;
      for (int layer = 0; layer < shape.layers; ++layer) {
        before.twins += CountTwins(question.current->layer(layer), question.topology);
      }
      std::printf("%-31s %-17s %9s %9s %9s %9s", shape.name.c_str(), "(in force)", "", "", "", "");
      PrintQuality(before);
    }
    const RunTimes place = TimeRuns(runs, [&] { contestant.place(question, serial); });
    const RunTimes place_on_two = TimeRuns(runs, [&] { contestant.place(question, team); });
    const RunTimes whole = TimeRuns(runs, [&] { (void)PlanRebalance(problem, contestant.options, serial).value(); });
    std::printf("%-31s %-17s %9.2f %9.2f %9.2f %9.2f", shape.name.c_str(), contestant.name.c_str(), place.cpu_median,
                whole.cpu_median, place_on_two.wall_best, place.wall_best / place_on_two.wall_best);
    PrintQuality(Judge(plan, &LayerReport::after, shape.slots));
    const bool full_search = contestant.options.policy == Policy::kOptimized && contestant.options.budget.unlimited();
    kept = KeepsPromises(plan, full_search ? &*reference : nullptr) && kept;
    if (!reference) reference = plan;
  }
  return kept;
}

void PrintCurve(const Shape& shape, const Extent& extent) {
  std::printf("\n%s, optimized, by work limit (evaluated moves per layer)\n%12s %9s %9s %9s\n", shape.name.c_str(),
              "work limit", "place ms", "balanced", "worst");
  const Topology topology = TopologyOf(shape);
  const LoadSample sample{.loads = LognormalLoads(shape, 1)};
  const PlacementConstraints constraints{.honour_groups = shape.groups > 1};
  for (std::int64_t limit = 3'000; limit <= extent.most_work; limit = limit % 3 == 0 ? limit / 3 * 10 : limit * 3) {
    std::optional<Placement> placement;
    const RunTimes time = TimeRuns(std::min(extent.runs, 3), [&] {
      placement =
          PlaceOptimized({&sample, 1}, topology, constraints, {.work_limit = limit}, nullptr, SerialFor()).value();
    });
    const std::vector<LayerBalance> balance = MeasureBalance(*placement, sample.loads, topology);
    std::printf("%12s %9.2f %9.5f %9.5f\n", absl::StrFormat("%d", limit).c_str(), time.cpu_median,
                MeanBalancedness(balance), WorstBalancedness(balance));
    std::fflush(stdout);
  }
}

int Run(const Extent& extent) {
  std::printf(
      "%s\n"
      "place ms: the search alone, plan ms: with checks, bounds, reports and transfers; CPU time of one thread, "
      "median\n"
      "of %d runs. 2 threads: wall time of the search, best run, and the speed-up over one thread's best.\n"
      "balanced: mean GPU load / max, mean over layers; bound: what is proven that no plan can exceed; gap: max GPU\n"
      "load above the proven bound (for shares its own, which holds for any); fetch: of all slots. In force: planned "
      "by the reference before the loads "
      "drifted.\n\n",
      DescribeMachine().c_str(), extent.runs);
  PrintHeader();
  const ThreadTeam team(2);
  bool kept = true;
  for (Shape shape : Shapes()) {
    shape.layers = std::min(shape.layers, extent.most_layers);
    kept = PrintShape(shape, extent.runs, team) && kept;
  }
  for (Shape shape : Shapes()) {
    shape.layers = std::min(shape.layers, extent.most_layers);
    if (shape.name == kCurveShape) PrintCurve(shape, extent);
  }
  if (!kept) std::printf("\nA plan passes its bound, or is worse than the reference.\n");
  return kept ? 0 : 1;
}

}  // namespace
}  // namespace eplb::bench

int main(int argc, char** argv) {
  eplb::bench::Extent extent;
  if (argc == 2 && std::strcmp(argv[1], "--quick") == 0) extent = {.most_layers = 3, .runs = 1, .most_work = 100'000};
  return eplb::bench::Run(extent);
}
