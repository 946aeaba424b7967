#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/fleet_flags.h"
#include "client/eplbctl/gate_flags.h"
#include "client/eplbctl/load_flags.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/plan_flags.h"
#include "client/eplbctl/replay_result.h"
#include "client/eplbctl/replay_runs.h"
#include "client/eplbctl/thread_flags.h"
#include "client/files/file_io.h"
#include "server/base/status_macros.h"
#include "server/base/thread_team.h"
#include "server/planner/replay.h"

namespace eplb {
namespace {

constexpr char kReplayFooter[] =
    "Examples:\n"
    "  eplbctl replay --series series.npy --slots 288 --gpus 32 --moves-per-layer 3\n"
    "  eplbctl replay --series series.npy --slots 288 --gpus 32 --max-fetch-percent 3 --compare\n"
    "  eplbctl replay --series series.npy --slots 288 --gpus 32 --every window --policy global --format json\n\n"
    "The series goes through the planner that serves live deployments. It starts from the contiguous layout; the "
    "first\n"
    "plan, at the end of the first window, is free. From the second window on every sub-window is scored with the\n"
    "placement then in force, and fetches are counted. The reference policies (hierarchical, global) plan anew each "
    "time\n"
    "for the window that has passed, as the engines do. They know neither budget nor gate and search nothing:\n"
    "--work-limit is refused with them. It bounds the first plan; the later ones are bounded by their budget.\n"
    "With --traffic-shares plans choose what share of its expert's traffic each replica takes, and each sub-window is\n"
    "scored with the shares then in force; what --compare shows besides has equal ones.\n\n"
    "JSON keys: step_time, balancedness, fetch_percent (per window, of all slots), plan_ms_median, plans, windows,\n"
    "plans_skipped (that published nothing), fetches, gate {fetches_refused (once, however many plans in a row refuse\n"
    "them), gain_gpu_seconds, cost_gpu_seconds, saved_gpu_seconds}.";

struct ReplayFlags {
  std::string series;
  int first_layer = 0;
  FleetFlags fleet;
  PlanFlags plan;
  GateFlags gate;
  std::string every = "sub";
  bool traffic_shares = false;
  std::optional<double> max_fetch_percent;
  int history = 32;
  bool compare = false;
  ThreadFlags threads;
  OutputFlags output;
};

ReplayOptions OptionsOf(const ReplayFlags& flags, const LoadSeriesShape& shape) {
  ReplayOptions options{.sub_windows_per_window = static_cast<int>(shape.sub_windows)};
  options.every = flags.every == "window" ? ReplayEvery::kWindow : ReplayEvery::kSubWindow;
  const RebalanceOptions plan = flags.plan.Options();
  options.settings.policy = plan.policy;
  options.settings.work_limit = plan.work_limit;
  options.constraints = flags.plan.Constraints();
  options.settings.honour_groups = options.constraints.honour_groups;
  options.settings.traffic_shares = flags.traffic_shares;
  if (plan.bytes_per_expert > 0) options.settings.bytes_per_expert = plan.bytes_per_expert;
  // A bound on what a window may fetch is a budget too.
  if (!plan.budget.unlimited() || flags.max_fetch_percent) options.settings.budget = plan.budget;
  options.settings = Overlay(options.settings, flags.gate.Overrides());
  options.max_fetch_percent = flags.max_fetch_percent;
  options.history_sub_windows = flags.history;
  return options;
}

absl::Status CheckFlags(const ReplayFlags& flags) {
  EPLB_RETURN_IF_ERROR(flags.plan.CheckWorkLimit());
  const RebalanceOptions plan = flags.plan.Options();
  if (!IsReference(plan.policy) || (plan.budget.unlimited() && !flags.max_fetch_percent)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--moves-per-layer, --moves-total, --move-bytes and --max-fetch-percent need the optimized policy: ",
                   std::string(PolicyName(plan.policy)), " knows no budget"));
}

absl::Status RunReplay(const ReplayFlags& flags) {
  EPLB_RETURN_IF_ERROR(CheckFlags(flags));
  EPLB_ASSIGN_OR_RETURN(const Topology topology, flags.fleet.Read());
  EPLB_ASSIGN_OR_RETURN(const LoadSeries series, ReadSeries(flags.series, flags.first_layer));
  const std::unique_ptr<ThreadTeam> team = flags.threads.NewTeam();
  absl::StatusOr<std::vector<NamedReplay>> replays =
      RunReplays(series, topology, OptionsOf(flags, series.shape()), flags.compare, *team);
  if (!replays.ok()) return AtPath(flags.series, replays.status());
  const std::string title =
      absl::StrCat(flags.series, ": ", series.shape().windows, " windows x ", series.shape().sub_windows,
                   " sub-windows x ", series.shape().layers, " layers x ", series.shape().experts, " experts");
  return flags.output.Write([&](bool colour) { return ReplayTable(title, topology, *replays, colour); },
                            [&] { return ReplayJson(replays->front().result); });
}

}  // namespace

Command AddReplayCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("replay", "Feed a recorded series through the live planner");
  app->footer(kReplayFooter);
  const auto flags = std::make_shared<ReplayFlags>();
  app->add_option("--series", flags->series, "Loads over time: NumPy [windows, sub-windows, layers, experts], or CSV")
      ->required()
      ->type_name("FILE")
      ->group("Loads");
  flags->fleet.AddTo(*app);
  app->add_option("--every", flags->every, "When to plan")
      ->check(CLI::IsMember({"window", "sub"}).description(""))
      ->type_name("window|sub")
      ->capture_default_str()
      ->group("Plan");
  flags->plan.AddTo(*app, ", by each plan");
  app->add_flag("--traffic-shares", flags->traffic_shares,
                "Choose the share of its expert's traffic that each replica gets, and score with these shares")
      ->group("Plan");
  app->add_option("--max-fetch-percent", flags->max_fetch_percent, "Most fetches in one window, in % of all slots")
      ->type_name("P")
      ->check(InRange(0.0, 1e6))
      ->group("Plan");
  app->add_option("--history", flags->history, "Sub-windows that the planner remembers")
      ->type_name("N")
      ->check(InRange(1, 4096))
      ->capture_default_str()
      ->group("Plan");
  flags->gate.AddTo(*app);
  app->add_flag("--compare", flags->compare, "Show what users have today besides (table only)")->group("Output");
  flags->threads.AddTo(*app);
  flags->output.AddTo(*app);
  return {.app = app, .run = [flags] { return RunReplay(*flags); }};
}

}  // namespace eplb
