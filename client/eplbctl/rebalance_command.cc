#include <memory>
#include <string>

#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/rebalance_flags.h"
#include "client/eplbctl/rebalance_result.h"
#include "client/files/file_io.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr char kRebalanceFooter[] =
    "Examples:\n"
    "  eplbctl rebalance --loads loads.csv --slots 288 --gpus 32 --local\n"
    "  eplbctl rebalance --loads loads.npy --window 3 --slots 288 --gpus 32 --nodes 4 --groups 8 \\\n"
    "      --policy hierarchical --local --format json --output plan.json\n"
    "  eplbctl rebalance --loads loads.csv --slots 288 --gpus 32 --current plan.json --moves-per-layer 3 \\\n"
    "      --server localhost:50051 --transfers copies.csv\n"
    "  eplbctl rebalance --loads loads.csv --each-window --window-weights 3,1 --slots 288 --gpus 32 --local \\\n"
    "      --traffic-shares --routing-entries 32 --format json\n\n"
    "Loads are tokens per expert; the replicas of an expert share them evenly, or with --traffic-shares as suits the\n"
    "placement best: balances after and the bound are then with such shares. Balancedness is mean over max GPU load\n"
    "of a layer, step time the sum over layers of max over the sum of mean. A twin is a second replica of an expert "
    "on\n"
    "one GPU. A fetch is an expert that a GPU did not hold before; without --current, in the contiguous layout.\n\n"
    "JSON keys: policy, physical_to_logical [layers][slots], expert_count [layers][experts],\n"
    "balancedness {before, after, worst_after}, step_time {before, after}, lower_bound_step_time, twins, fetches,\n"
    "compute_ms; with --traffic-shares also slot_shares [layers][slots], with --routing-entries also\n"
    "logical_to_physical [layers][experts][entries], with --gate also gate {gain_gpu_seconds, cost_gpu_seconds}.\n"
    "--transfers writes {transfers: [{model_layer, expert, source_slot, target_slot, step}]}; transfers of "
    "equal\n"
    "step are made as one whole, steps in order, and a source of -1 is the checkpoint.";

struct RebalanceCommandFlags {
  RebalanceFlags rebalance;
  bool traffic_shares = false;
  int routing_entries = 0;  // 0: no inverse map
  OutputFlags output;
  std::string transfers_path;
};

absl::Status WriteTransfers(const std::string& path, const RebalanceTask& task, const RebalanceResult& result) {
  const bool csv = path.size() >= 4 && path.compare(path.size() - 4, 4, ".csv") == 0;
  return WriteFileAtomically(path, csv ? TransfersCsv(result.transfers, task.model_layers)
                                       : TransfersJson(result.transfers, task.model_layers));
}

absl::Status RunRebalance(const RebalanceCommandFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(RebalanceTask task, flags.rebalance.Read());
  task.options.traffic_shares = flags.traffic_shares;
  task.max_routing_entries = flags.routing_entries;
  EPLB_ASSIGN_OR_RETURN(const RebalanceResult result, flags.rebalance.Plan(task));
  if (!flags.transfers_path.empty()) EPLB_RETURN_IF_ERROR(WriteTransfers(flags.transfers_path, task, result));
  return flags.output.Write([&](bool colour) { return RebalanceResultTable(task, result, colour); },
                            [&] { return RebalanceResultJson(result); });
}

}  // namespace

Command AddRebalanceCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("rebalance", "Plan a placement for recorded loads");
  app->footer(kRebalanceFooter);
  const auto flags = std::make_shared<RebalanceCommandFlags>();
  flags->rebalance.AddTo(*app);
  app->add_flag("--traffic-shares", flags->traffic_shares,
                "Choose the share of its expert's traffic that each replica gets, and plan for such shares")
      ->group("Plan");
  app->add_option(
         "--routing-entries", flags->routing_entries,
         "Put the slots of each expert into the JSON, at most so many entries; where shares differ a slot comes "
         "several times, for engines that pick entries evenly")
      ->type_name("N")
      ->check(InRange(1, kMaxSlots))
      ->group("Output");
  flags->output.AddTo(*app);
  app->add_option("--transfers", flags->transfers_path,
                  "Write the copies that lead from --current there to this file; CSV where it ends in .csv, else JSON")
      ->needs(app->get_option("--current"))
      ->type_name("FILE")
      ->group("Output");
  return {.app = app, .run = [flags] { return RunRebalance(*flags); }};
}

}  // namespace eplb
