// pause, resume, drain and restore: what operators set for a deployment.

#include <cstdint>
#include <functional>
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

struct ControlFlags {
  ServerFlags server;
  std::string deployment;
  std::string comment;
  std::vector<std::int32_t> gpus;
  bool exclude = false;
  bool dry_run = false;
};

using Change = std::function<void(const ControlFlags& flags, v1::UpdateDeploymentRequest& request)>;

absl::Status RunControl(const ControlFlags& flags, const Change& change) {
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, flags.server.Read());
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  v1::UpdateDeploymentRequest request;
  request.set_deployment(flags.deployment);
  request.set_comment(flags.comment);
  request.set_validate_only(flags.dry_run);
  change(flags, request);
  EPLB_ASSIGN_OR_RETURN(const v1::UpdateDeploymentResponse response, client->UpdateDeployment(request));
  return PrintText(flags.deployment + ": " + ControlText(response.control()) +
                   (flags.dry_run ? " (dry run: nothing was changed)\n" : "\n"));
}

std::shared_ptr<ControlFlags> AddControlFlags(CLI::App& app) {
  auto flags = std::make_shared<ControlFlags>();
  app.add_option("deployment", flags->deployment, "Deployment")->type_name("DEPLOYMENT")->required();
  app.add_option("--comment", flags->comment, "Why, for whoever looks next")->type_name("TEXT");
  app.add_flag("--dry-run", flags->dry_run, "Let the server check the change without making it");
  flags->server.AddRequiredTo(app);
  return flags;
}

void AddGpus(CLI::App& app, ControlFlags& flags) {
  app.add_option("--gpus", flags.gpus, "GPUs, separated by commas")->type_name("N,N,...")->delimiter(',')->required();
}

Command AddModeCommand(CLI::App& root, const char* name, const char* help, v1::DeploymentMode mode) {
  CLI::App* app = root.add_subcommand(name, help);
  app->footer(std::string("Examples:\n  eplbctl ") + name +
              " prod/deepseek-v3 --server localhost:50051 --comment \"load test\"");
  const std::shared_ptr<ControlFlags> flags = AddControlFlags(*app);
  return {.app = app, .run = [flags, mode] {
            return RunControl(
                *flags, [mode](const ControlFlags&, v1::UpdateDeploymentRequest& request) { request.set_mode(mode); });
          }};
}

}  // namespace

Command AddPauseCommand(CLI::App& root) {
  return AddModeCommand(root, "pause", "Stop rebalancing a deployment by itself", v1::DEPLOYMENT_MODE_PAUSED);
}

Command AddResumeCommand(CLI::App& root) {
  return AddModeCommand(root, "resume", "Rebalance a deployment by itself again", v1::DEPLOYMENT_MODE_AUTOMATIC);
}

Command AddDrainCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("drain", "Empty GPUs of a deployment, or take them for dead");
  app->footer(
      "Examples:\n"
      "  eplbctl drain prod/deepseek-v3 --gpus 3,17 --server localhost:50051 --comment \"node swap\"\n"
      "  eplbctl drain prod/deepseek-v3 --gpus 3 --exclude --server localhost:50051\n\n"
      "A draining GPU gets no expert, but can be copied from; an excluded one is taken for dead. Next plans move what "
      "they\n"
      "held; eplbctl restore takes it back.");
  const std::shared_ptr<ControlFlags> flags = AddControlFlags(*app);
  AddGpus(*app, *flags);
  app->add_flag("--exclude", flags->exclude, "Take them for dead: nothing is copied from them either");
  return {.app = app, .run = [flags] {
            return RunControl(*flags, [](const ControlFlags& given, v1::UpdateDeploymentRequest& request) {
              (given.exclude ? request.mutable_exclude_gpus() : request.mutable_drain_gpus())
                  ->Assign(given.gpus.begin(), given.gpus.end());
            });
          }};
}

Command AddRestoreCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("restore", "Use GPUs again that were drained or excluded");
  app->footer("Examples:\n  eplbctl restore prod/deepseek-v3 --gpus 3,17 --server localhost:50051");
  const std::shared_ptr<ControlFlags> flags = AddControlFlags(*app);
  AddGpus(*app, *flags);
  return {.app = app, .run = [flags] {
            return RunControl(*flags, [](const ControlFlags& given, v1::UpdateDeploymentRequest& request) {
              request.mutable_restore_gpus()->Assign(given.gpus.begin(), given.gpus.end());
            });
          }};
}

}  // namespace eplb
