#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/fleet_flags.h"
#include "client/eplbctl/load_flags.h"
#include "client/eplbctl/local_rebalance.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/plan_flags.h"
#include "client/eplbctl/rebalance_result.h"
#include "client/eplbctl/remote_rebalance.h"
#include "client/eplbctl/server_flags.h"
#include "client/files/file_io.h"
#include "client/files/placement_file.h"
#include "server/base/status_macros.h"
#include "server/model/contiguous_placement.h"

namespace eplb {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  eplbctl rebalance --loads loads.csv --slots 288 --gpus 32 --local\n"
    "  eplbctl rebalance --loads loads.npy --window 3 --slots 288 --gpus 32 --nodes 4 --groups 8 \\\n"
    "      --policy hierarchical --local --format json --output plan.json\n"
    "  eplbctl rebalance --loads loads.csv --slots 288 --gpus 32 --current plan.json --moves-per-layer 3 \\\n"
    "      --server localhost:50051\n\n"
    "Loads are tokens per expert; the replicas of an expert share them evenly. Balancedness is mean over max GPU load\n"
    "of a layer, step time the sum over layers of max over the sum of mean. A twin is a second replica of an expert "
    "on\n"
    "one GPU. A fetch is an expert that a GPU did not hold before; without --current, in the contiguous layout.\n\n"
    "JSON keys: policy, physical_to_logical [layers][slots], expert_count [layers][experts],\n"
    "balancedness {before, after, worst_after}, step_time {before, after}, lower_bound_step_time, twins, fetches,\n"
    "compute_ms.";

struct Flags {
  LoadFlags loads;
  FleetFlags fleet;
  PlanFlags plan;
  ServerFlags server;
  OutputFlags output;
  std::string current;
  bool local = false;
  int threads = 0;
};

// The placement in force, or the contiguous layout.
absl::StatusOr<Placement> ReadBefore(const Flags& flags, const LoadSelection& selection, const Topology& topology) {
  const LoadMatrix& loads = selection.loads;
  if (flags.current.empty()) return ContiguousPlacement(loads.num_layers(), loads.num_experts(), topology);
  EPLB_ASSIGN_OR_RETURN(const PlacementRows rows, ReadPlacementFile(flags.current));
  absl::StatusOr<Placement> placement = PlacementForLayers(rows, selection.model_layers, loads.num_experts());
  if (!placement.ok()) return AtPath(flags.current, placement.status());
  if (placement->num_slots() == topology.num_slots()) return placement;
  return absl::InvalidArgumentError(absl::StrCat(flags.current, ": ", placement->num_slots(),
                                                 " slots in each layer: must be ", topology.num_slots()));
}

absl::StatusOr<RebalanceResult> Plan(const Flags& flags, const RebalanceTask& task) {
  if (flags.local) return RebalanceLocally(task, flags.threads);
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, flags.server.Read());
  return RebalanceOnServer(task, std::move(options));
}

absl::Status Run(const Flags& flags) {
  if (flags.local == flags.server.given()) {
    return absl::InvalidArgumentError("exactly one of --local and --server HOST:PORT is required");
  }
  EPLB_ASSIGN_OR_RETURN(TopologyOptions topology_options, flags.fleet.Options());
  EPLB_ASSIGN_OR_RETURN(Topology topology, Topology::Create(topology_options));
  EPLB_ASSIGN_OR_RETURN(LoadSelection selection, flags.loads.Read());
  EPLB_ASSIGN_OR_RETURN(Placement before, ReadBefore(flags, selection, topology));
  const RebalanceTask task{.loads = std::move(selection.loads),
                           .model_layers = std::move(selection.model_layers),
                           .topology = std::move(topology),
                           .topology_options = std::move(topology_options),
                           .before = std::move(before),
                           .has_current = !flags.current.empty(),
                           .options = flags.plan.Options(),
                           .constraints = flags.plan.Constraints()};
  EPLB_ASSIGN_OR_RETURN(const RebalanceResult result, Plan(flags, task));
  const std::string before_name = task.has_current ? "current" : "contiguous";
  return flags.output.Write(
      [&](bool colour) { return RebalanceResultTable(task, result, selection.description, before_name, colour); },
      [&] { return RebalanceResultJson(result); });
}

}  // namespace

Command AddRebalanceCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("rebalance", "Plan a placement for recorded loads");
  app->footer(kFooter);
  const auto flags = std::make_shared<Flags>();
  flags->loads.AddTo(*app);
  flags->fleet.AddTo(*app);
  flags->plan.AddTo(*app);
  app->add_option("--current", flags->current, "Placement in force: what eplbctl, vLLM, SGLang or vLLM-Ascend wrote")
      ->type_name("FILE")
      ->group("Plan");
  app->add_flag("--local", flags->local, "Plan in this process")->group("Where");
  flags->server.AddTo(*app);
  app->add_option("--threads", flags->threads,
                  "Threads of a --local plan, 0 for one per core; any number gives the same")
      ->type_name("N")
      ->check(InRange(0, 1024))
      ->group("Where");
  flags->output.AddTo(*app);
  return {.app = app, .run = [flags] { return Run(*flags); }};
}

}  // namespace eplb
