#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/live/deployment_view.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/server_flags.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr char kListFooter[] =
    "Examples:\n"
    "  eplbctl list --server localhost:50051\n"
    "  eplbctl list --server localhost:50051 --prefix prod/ --format json\n\n"
    "Workers are those that report now, missing are ranks that none of them reports for, applied are workers that have "
    "the\n"
    "newest version in force. Contiguous is the step time that the same loads would have without balancing.";

struct ListFlags {
  ServerFlags server;
  OutputFlags output;
  std::string prefix;
};

absl::Status RunList(const ListFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, flags.server.Read());
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  v1::ListDeploymentsRequest request;
  request.set_name_prefix(flags.prefix);
  EPLB_ASSIGN_OR_RETURN(const std::vector<v1::Deployment> deployments, client->AllDeployments(std::move(request)));
  return flags.output.Write([&](bool colour) { return DeploymentTable(deployments).Format(colour); },
                            [&] {
                              nlohmann::ordered_json all = nlohmann::ordered_json::array();
                              for (const v1::Deployment& one : deployments) all.push_back(DeploymentJson(one));
                              return nlohmann::ordered_json{{"deployments", std::move(all)}}.dump(2) + "\n";
                            });
}

}  // namespace

Command AddListCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("list", "List the live deployments of a server");
  app->footer(kListFooter);
  const auto flags = std::make_shared<ListFlags>();
  app->add_option("--prefix", flags->prefix, "Only deployments whose name starts with this")->type_name("TEXT");
  flags->server.AddRequiredTo(*app);
  flags->output.AddTo(*app);
  return {.app = app, .run = [flags] { return RunList(*flags); }};
}

}  // namespace eplb
