#ifndef EPLB_CLIENT_EPLBCTL_COMMAND_H_
#define EPLB_CLIENT_EPLBCTL_COMMAND_H_

#include <CLI/CLI.hpp>
#include <functional>

#include "absl/status/status.h"

namespace eplb {

// One subcommand: its flags, which belong to the application they were added to, and what to do once those have been
// parsed.
struct Command {
  CLI::App* app = nullptr;
  std::function<absl::Status()> run;
};

// Each adds one subcommand to the application.
Command AddRebalanceCommand(CLI::App& root);
Command AddCapacityCommand(CLI::App& root);
Command AddConvertCommand(CLI::App& root);
Command AddGenerateCommand(CLI::App& root);
Command AddHealthCommand(CLI::App& root);
Command AddReplayCommand(CLI::App& root);
Command AddReportCommand(CLI::App& root);
Command AddListCommand(CLI::App& root);
Command AddGetCommand(CLI::App& root);
Command AddWatchCommand(CLI::App& root);
Command AddTopCommand(CLI::App& root);
Command AddPauseCommand(CLI::App& root);
Command AddResumeCommand(CLI::App& root);
Command AddDrainCommand(CLI::App& root);
Command AddRestoreCommand(CLI::App& root);
Command AddReplanCommand(CLI::App& root);
Command AddVersionCommand(CLI::App& root);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_COMMAND_H_
