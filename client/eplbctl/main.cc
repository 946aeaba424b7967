#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "client/eplbctl/command.h"
#include "client/eplbctl/exit_code.h"

namespace eplb {
namespace {

constexpr char kDescription[] =
    "Plans where the experts of mixture-of-experts models live, here or on an EPLB server, and shows live fleets.";
constexpr char kFooter[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  failed\n"
    "  2  wrong usage or bad input; nothing was changed\n"
    "  3  the server cannot be reached, is too busy, or missed the deadline\n\n"
    "Every command has its own --help with examples. Colour is used on terminals only, and not where NO_COLOR is set.";

// Errors are one line, whatever they quote.
int Fail(const std::string& command, std::string message, ExitCode code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fprintf(stderr, "%s: %s\n", command.c_str(), message.c_str());
  return static_cast<int>(code);
}

int RunCommand(const Command& command) {
  absl::Status status = command.run();
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
    status = absl::UnknownError("the standard output cannot be written");
  }
  if (status.ok()) return static_cast<int>(ExitCode::kOk);
  return Fail("eplbctl " + command.app->get_name(), std::string(status.message()), ExitCodeOf(status));
}

int Run(int argc, char** argv) {
  CLI::App root(kDescription, "eplbctl");
  root.footer(kFooter);
  root.require_subcommand(1);
  root.set_version_flag("--version", "eplbctl " EPLB_VERSION);
  const std::vector<Command> commands = {AddRebalanceCommand(root), AddCapacityCommand(root), AddConvertCommand(root),
                                         AddGenerateCommand(root),  AddReplayCommand(root),   AddReportCommand(root),
                                         AddListCommand(root),      AddGetCommand(root),      AddWatchCommand(root),
                                         AddTopCommand(root),       AddPauseCommand(root),    AddResumeCommand(root),
                                         AddDrainCommand(root),     AddRestoreCommand(root),  AddReplanCommand(root),
                                         AddHealthCommand(root),    AddVersionCommand(root)};
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" of CLI11 that exit with 0.
    if (error.get_exit_code() == 0) return root.exit(error);
    const auto used = root.get_subcommands();
    if (used.empty() && argc > 1 && argv[1][0] != '-') {
      return Fail("eplbctl", std::string(argv[1]) + ": no such command (see eplbctl --help)", ExitCode::kBadInput);
    }
    const std::string command = used.empty() ? "eplbctl" : "eplbctl " + used.front()->get_name();
    return Fail(command, std::string(error.what()) + " (see " + command + " --help)", ExitCode::kBadInput);
  }
  const auto chosen =
      std::find_if(commands.begin(), commands.end(), [](const Command& command) { return command.app->parsed(); });
  return RunCommand(*chosen);
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error to report, no reason to die
  return eplb::Run(argc, argv);
}
