// replan: one plan for a live deployment now, from the loads that its workers have reported.

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/live/deployment_view.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/server_flags.h"
#include "client/eplbctl/text_table.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kReplanFooter[] =
    "Examples:\n"
    "  eplbctl replan prod/deepseek-v3 --dry-run --server localhost:50051\n"
    "  eplbctl replan prod/deepseek-v3 --force --server localhost:50051\n\n"
    "Budgets and rules stay in force with --force too. JSON keys: deployment, dry_run, version (null: not published), "
    "unchanged (why, or null), step_time_before, step_time_after, lower_bound_step_time, fetches, fetched_bytes, "
    "gain_gpu_seconds, cost_gpu_seconds.";

struct ReplanFlags {
  ServerFlags server;
  OutputFlags output;
  std::string deployment;
  bool force = false;
  bool dry_run = false;
  std::optional<int> moves_per_layer;
};

// With an id of its own, so that a call that is tried again publishes once.
v1::RebalanceRequest MakeRequest(const ReplanFlags& flags) {
  v1::RebalanceRequest request;
  request.set_deployment(flags.deployment);
  request.set_force(flags.force);
  request.set_validate_only(flags.dry_run);
  request.set_request_id(absl::StrCat("eplbctl-replan-", getpid(), "-", absl::ToUnixNanos(absl::Now())));
  if (flags.moves_per_layer) request.mutable_options()->mutable_budget()->set_per_layer(*flags.moves_per_layer);
  return request;
}

std::string ReplanText(const std::string& deployment, const v1::RebalanceResponse& response) {
  const v1::PlanSummary& summary = response.summary();
  std::string text = absl::StrCat(deployment, ": ");
  if (response.has_version()) {
    absl::StrAppend(&text, "published ", VersionText(response.version()));
  } else if (summary.unchanged_reason() != v1::UNCHANGED_REASON_UNSPECIFIED) {
    absl::StrAppend(&text,
                    "unchanged: ", EnumText(v1::UnchangedReason_Name(summary.unchanged_reason()), "UNCHANGED_REASON_"));
  } else {
    absl::StrAppend(&text, "dry run: nothing was changed");
  }
  return absl::StrCat(text, "\nstep time ", Fixed(summary.step_time_before(), 4), " -> ",
                      Fixed(summary.step_time_after(), 4), " (no placement is below ",
                      Fixed(summary.lower_bound_step_time(), 4), "), ", Grouped(summary.fetches()),
                      " experts fetched\n");
}

std::string ReplanJson(const ReplanFlags& flags, const v1::RebalanceResponse& response) {
  const v1::PlanSummary& summary = response.summary();
  const bool changed = summary.unchanged_reason() == v1::UNCHANGED_REASON_UNSPECIFIED;
  const Json json = {{"deployment", flags.deployment},
                     {"dry_run", flags.dry_run},
                     {"version", response.has_version() ? Json(VersionText(response.version())) : Json(nullptr)},
                     {"unchanged", changed ? Json(nullptr)
                                           : Json(EnumText(v1::UnchangedReason_Name(summary.unchanged_reason()),
                                                           "UNCHANGED_REASON_"))},
                     {"step_time_before", summary.step_time_before()},
                     {"step_time_after", summary.step_time_after()},
                     {"lower_bound_step_time", summary.lower_bound_step_time()},
                     {"fetches", summary.fetches()},
                     {"fetched_bytes", summary.fetched_bytes()},
                     {"gain_gpu_seconds", summary.gain_gpu_seconds()},
                     {"cost_gpu_seconds", summary.cost_gpu_seconds()}};
  return json.dump(2) + "\n";
}

absl::Status RunReplan(const ReplanFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, flags.server.Read());
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  EPLB_ASSIGN_OR_RETURN(const v1::RebalanceResponse response, client->Rebalance(MakeRequest(flags)));
  return flags.output.Write([&](bool) { return ReplanText(flags.deployment, response); },
                            [&] { return ReplanJson(flags, response); });
}

}  // namespace

Command AddReplanCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("replan", "Plan a deployment once, now, from the loads its workers report");
  app->footer(kReplanFooter);
  const auto flags = std::make_shared<ReplanFlags>();
  app->add_option("deployment", flags->deployment, "Deployment")->type_name("DEPLOYMENT")->required();
  app->add_flag("--force", flags->force,
                "Publish although the gate, the pause or a wait for workers says no; also a plan that gains little");
  app->add_flag("--dry-run", flags->dry_run, "Show what would be planned without publishing it");
  app->add_option("--moves-per-layer", flags->moves_per_layer,
                  "Most experts that GPUs fetch in each layer, for this plan; the deployment's own unless given")
      ->type_name("N")
      ->check(InRange(0, 65536));
  flags->server.AddRequiredTo(*app);
  flags->output.AddTo(*app);
  return {.app = app, .run = [flags] { return RunReplan(*flags); }};
}

}  // namespace eplb
