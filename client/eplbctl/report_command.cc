#include <memory>
#include <string>

#include "client/eplbctl/command.h"
#include "client/eplbctl/rebalance_flags.h"
#include "client/eplbctl/report_contents.h"
#include "client/files/file_io.h"
#include "client/report/report_html.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  eplbctl report --html plan.html --loads loads.csv --slots 288 --gpus 32 --nodes 4 --local\n\n"
    "The page needs no network: heat maps of layers and GPUs before and after, replicas against load, and copies\n"
    "between nodes.";

struct Flags {
  RebalanceFlags rebalance;
  std::string html;
};

absl::Status Run(const Flags& flags) {
  EPLB_ASSIGN_OR_RETURN(const RebalanceTask task, flags.rebalance.Read());
  EPLB_ASSIGN_OR_RETURN(const RebalanceResult result, flags.rebalance.Plan(task));
  EPLB_ASSIGN_OR_RETURN(const ReportData data, ReportContents(task, result));
  return WriteFileAtomically(flags.html, RenderReport(data));
}

}  // namespace

Command AddReportCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("report", "Show a plan as a page to look at");
  app->footer(kFooter);
  const auto flags = std::make_shared<Flags>();
  app->add_option("--html", flags->html, "Write the page to this file, whole or not at all")
      ->required()
      ->type_name("FILE")
      ->group("Output");
  flags->rebalance.AddTo(*app);
  return {.app = app, .run = [flags] { return Run(*flags); }};
}

}  // namespace eplb
