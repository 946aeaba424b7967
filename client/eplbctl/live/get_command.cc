#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/live/deployment_view.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/server_flags.h"
#include "client/files/placement_export.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kGetFooter[] =
    "Examples:\n"
    "  eplbctl get prod/deepseek-v3 --server localhost:50051\n"
    "  eplbctl get prod/deepseek-v3 --server localhost:50051 --output now.json\n"
    "  eplbctl rebalance --loads loads.csv --slots 288 --gpus 32 --current now.json --local\n\n"
    "JSON keys: deployment (as eplbctl list), cannot_be_planned (why, or null), workers, model_layers [layers], "
    "physical_to_logical [layers][slots].";

struct GetFlags {
  ServerFlags server;
  OutputFlags output;
  std::string deployment;
};

std::string StateText(v1::PlacementState state) {
  if (state == v1::PLACEMENT_STATE_UNSPECIFIED) return "-";
  return EnumText(v1::PlacementState_Name(state), "PLACEMENT_STATE_");
}

std::string PlacementTable(const v1::GetPlacementResponse& response, bool colour) {
  const v1::Deployment& deployment = response.deployment();
  const v1::Topology& topology = response.spec().topology();
  const auto plural = [](int count) { return count == 1 ? "" : "s"; };
  std::string out = absl::StrCat(response.spec().deployment(), ": ", response.spec().model_layers_size(), " layers, ",
                                 response.spec().num_experts(), " experts in ", topology.num_slots(), " slots on ",
                                 topology.num_gpus(), " GPU", plural(topology.num_gpus()), "\nversion ",
                                 VersionText(response.placement().version()), ", ", ControlText(deployment.control()),
                                 "\nplanned ", TimeText(deployment.has_last_plan_time(), deployment.last_plan_time()));
  if (deployment.unchanged_reason() != v1::UNCHANGED_REASON_UNSPECIFIED) {
    absl::StrAppend(
        &out, ", unchanged: ", EnumText(v1::UnchangedReason_Name(deployment.unchanged_reason()), "UNCHANGED_REASON_"));
  }
  const std::string unplannable = WhyUnplannable(response);
  if (!unplannable.empty()) {
    absl::StrAppend(&out, "\n", Emphasize("cannot be planned: " + unplannable, Emphasis::kBad, colour));
  }
  if (!deployment.last_error().empty()) absl::StrAppend(&out, "\nlast error: ", deployment.last_error());
  if (!deployment.awaiting().empty()) absl::StrAppend(&out, "\nwaiting for ", deployment.awaiting());
  absl::StrAppend(&out, "\n\n", DeploymentTable({deployment}).Format(colour), "\n");
  TextTable table({"worker", "ranks", "liveness", "watching", "applied", "newest", "state", "reports", "lost",
                   "last report", "engine", "error"});
  for (const v1::WorkerStatus& worker : response.workers()) {
    const bool live = worker.liveness() == v1::WORKER_LIVENESS_LIVE;
    const bool rejected = worker.state() == v1::PLACEMENT_STATE_REJECTED;
    table.AddRow(
        {worker.worker_id(),
         worker.num_ranks() == 0 ? std::string("-")
                                 : absl::StrCat(worker.first_rank(), "-", worker.first_rank() + worker.num_ranks() - 1),
         Cell(EnumText(v1::WorkerLiveness_Name(worker.liveness()), "WORKER_LIVENESS_"),
              live ? Emphasis::kGood : Emphasis::kBad),
         worker.watching() ? "yes" : "no", VersionText(worker.applied()), VersionText(worker.version()),
         Cell(StateText(worker.state()), rejected ? Emphasis::kBad : Emphasis::kNone), absl::StrCat(worker.reports()),
         absl::StrCat(worker.lost_reports()), TimeText(worker.has_last_report_time(), worker.last_report_time()),
         worker.user_agent().empty() ? std::string("-") : worker.user_agent(), worker.error_detail()});
  }
  return out + table.Format(colour);
}

std::string PlacementJson(const v1::GetPlacementResponse& response) {
  const std::string unplannable = WhyUnplannable(response);
  Json head = {{"deployment", DeploymentJson(response.deployment())},
               {"cannot_be_planned", unplannable.empty() ? Json(nullptr) : Json(unplannable)},
               {"workers", Json::array()}};
  for (const v1::WorkerStatus& worker : response.workers()) head["workers"].push_back(WorkerJson(worker));
  Json model_layers = Json::array();
  for (const v1::LayerPlacement& layer : response.placement().layers()) model_layers.push_back(layer.model_layer());
  std::string out = head.dump(2);
  out.resize(out.rfind("\n}"));
  // A row a line, as eplbctl rebalance writes it.
  absl::StrAppend(&out, ",\n  \"model_layers\": ", model_layers.dump(), ",\n  \"physical_to_logical\": [");
  const char* separator = "\n";
  for (const v1::LayerPlacement& layer : response.placement().layers()) {
    absl::StrAppend(&out, separator, "    ");
    AppendJsonRow(out, std::span<const std::int32_t>(layer.physical_to_logical().data(),
                                                     static_cast<std::size_t>(layer.physical_to_logical_size())));
    separator = ",\n";
  }
  return out + "\n  ]\n}\n";
}

absl::Status RunGet(const GetFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, flags.server.Read());
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  v1::GetPlacementRequest request;
  request.set_deployment(flags.deployment);
  EPLB_ASSIGN_OR_RETURN(const v1::GetPlacementResponse response, client->GetPlacement(request));
  return flags.output.Write([&](bool colour) { return PlacementTable(response, colour); },
                            [&] { return PlacementJson(response); });
}

}  // namespace

Command AddGetCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("get", "Show a deployment's placement, and how far its workers are with it");
  app->footer(kGetFooter);
  const auto flags = std::make_shared<GetFlags>();
  app->add_option("deployment", flags->deployment, "Deployment")->type_name("DEPLOYMENT")->required();
  flags->server.AddRequiredTo(*app);
  flags->output.AddTo(*app);
  return {.app = app, .run = [flags] { return RunGet(*flags); }};
}

}  // namespace eplb
