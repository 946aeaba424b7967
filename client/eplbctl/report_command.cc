#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/eplbctl/command.h"
#include "client/eplbctl/load_flags.h"
#include "client/eplbctl/rebalance_flags.h"
#include "client/eplbctl/replay_runs.h"
#include "client/eplbctl/report_contents.h"
#include "client/files/file_io.h"
#include "client/report/report_html.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr char kReportFooter[] =
    "Examples:\n"
    "  eplbctl report --html plan.html --loads loads.csv --slots 288 --gpus 32 --nodes 4 --local\n"
    "  eplbctl report --html plan.html --loads loads.csv --series series.npy --slots 288 --gpus 32 --local\n\n"
    "The page needs no network: heat maps of layers and GPUs before and after, replicas against load, and copies\n"
    "between nodes; with --series the step time over a replay too, against what users have today.";

struct ReportFlags {
  RebalanceFlags rebalance;
  std::string html;
  std::string series;
};

// The replay curves of the page: ours and what users have today.
absl::Status AddReplays(const ReportFlags& flags, const RebalanceTask& task, ReportData& data) {
  EPLB_ASSIGN_OR_RETURN(const LoadSeries series, ReadSeries(flags.series, /*first_layer=*/0));
  ReplayOptions options{.sub_windows_per_window = static_cast<int>(series.shape().sub_windows)};
  options.settings.policy = task.options.policy;
  options.settings.work_limit = task.options.work_limit;
  options.settings.honour_groups = task.constraints.honour_groups;
  if (!task.options.budget.unlimited()) options.settings.budget = task.options.budget;
  options.constraints = task.constraints;
  absl::StatusOr<std::vector<NamedReplay>> replays =
      RunReplays(series, task.topology, options, /*compare=*/true, *flags.rebalance.threads().NewTeam());
  if (!replays.ok()) return AtPath(flags.series, replays.status());
  for (NamedReplay& replay : *replays) {
    data.replays.push_back({.name = std::move(replay.name),
                            .step_times = std::move(replay.result.step_times),
                            .fetch_percent = replay.result.fetch_percent,
                            .ours = data.replays.empty()});
  }
  return absl::OkStatus();
}

absl::Status RunReport(const ReportFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(const RebalanceTask task, flags.rebalance.Read());
  EPLB_ASSIGN_OR_RETURN(const RebalanceResult result, flags.rebalance.Plan(task));
  EPLB_ASSIGN_OR_RETURN(ReportData data, ReportContents(task, result));
  if (!flags.series.empty()) EPLB_RETURN_IF_ERROR(AddReplays(flags, task, data));
  return WriteFileAtomically(flags.html, RenderReport(data));
}

}  // namespace

Command AddReportCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("report", "Show a plan as a page to look at");
  app->footer(kReportFooter);
  const auto flags = std::make_shared<ReportFlags>();
  app->add_option("--html", flags->html, "Write the page to this file, whole or not at all")
      ->required()
      ->type_name("FILE")
      ->group("Output");
  flags->rebalance.AddTo(*app);
  app->add_option("--series", flags->series, "Loads over time to replay, as for eplbctl replay")
      ->type_name("FILE")
      ->group("Loads");
  return {.app = app, .run = [flags] { return RunReport(*flags); }};
}

}  // namespace eplb
