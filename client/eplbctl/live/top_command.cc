#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/exit_code.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/live/deployment_view.h"
#include "client/eplbctl/live/screen.h"
#include "client/eplbctl/server_flags.h"
#include "client/eplbctl/terminal.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr char kTopFooter[] =
    "Examples:\n"
    "  eplbctl top --server localhost:50051\n"
    "  eplbctl top --server localhost:50051 --prefix prod/ --interval 5 --iterations 12 > log.txt\n\n"
    "Redraws a terminal until q or Ctrl-C; into a file or a pipe each round is appended. Columns as in eplbctl list. "
    "A\n"
    "server that goes away is waited for.";

struct TopFlags {
  ServerFlags server;
  std::string prefix;
  double interval_seconds = 2;
  std::int64_t iterations = 0;
};

std::string View(const std::string& target, const absl::StatusOr<std::vector<v1::Deployment>>& deployments,
                 bool colour) {
  const std::string title =
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone()), "  ", target, "  ");
  if (!deployments.ok()) return absl::StrCat(title, deployments.status().message(), "\n");
  return absl::StrCat(title, deployments->size(), deployments->size() == 1 ? " deployment\n" : " deployments\n",
                      DeploymentTable(*deployments).Format(colour));
}

absl::Status RunTop(const TopFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, flags.server.Read());
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  v1::ListDeploymentsRequest request;
  request.set_name_prefix(flags.prefix);
  const bool colour = StandardOutputHasColour();
  std::optional<Screen> screen;  // not before the first answer: an error belongs on the former screen
  for (std::int64_t round = 1;; ++round) {
    const absl::StatusOr<std::vector<v1::Deployment>> deployments = client->AllDeployments(request);
    const bool passing = deployments.ok() || (screen && ExitCodeOf(deployments.status()) == ExitCode::kUnreachable);
    if (!passing) return deployments.status();
    if (!screen) screen.emplace();
    EPLB_RETURN_IF_ERROR(screen->Draw(View(client->options().target, deployments, colour)));
    if (round == flags.iterations) return deployments.status();
    if (screen->WaitForQuit(absl::Seconds(flags.interval_seconds))) return absl::OkStatus();
  }
}

}  // namespace

Command AddTopCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("top", "Show the live deployments of a server again and again");
  app->footer(kTopFooter);
  const auto flags = std::make_shared<TopFlags>();
  app->add_option("--prefix", flags->prefix, "Only deployments whose name starts with this")->type_name("TEXT");
  app->add_option("--interval", flags->interval_seconds, "Seconds between rounds")
      ->type_name("SECONDS")
      ->check(InRange(0.1, 3600.0))
      ->capture_default_str();
  app->add_option("--iterations", flags->iterations, "End after so many rounds; 0: never")
      ->type_name("N")
      ->check(InRange<std::int64_t>(0, 1'000'000'000'000))
      ->capture_default_str();
  flags->server.AddRequiredTo(*app);
  return {.app = app, .run = [flags] { return RunTop(*flags); }};
}

}  // namespace eplb
