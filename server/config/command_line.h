#ifndef EPLB_SERVER_CONFIG_COMMAND_LINE_H_
#define EPLB_SERVER_CONFIG_COMMAND_LINE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config_errors.h"
#include "server/config/schema.h"

namespace eplb {

// What the server was asked to do.
enum class Command {
  kRun,          // serve
  kHelp,         // --help, -h
  kVersion,      // --version
  kCheckConfig,  // --check-config: exit after validation
  kPrintConfig,  // --print-config: print the configuration in effect, then exit
};

// A setting given as a flag. The value is not yet looked at.
struct SettingFlag {
  const ConfigLeaf* leaf;
  std::string value;
};

struct CommandLine {
  Command command = Command::kRun;
  std::string config_file;            // --config; empty: none
  std::vector<SettingFlag> settings;  // in the order given: the last of equal ones counts
};

// Reads the arguments that follow the program's name: --path=value, --path value, and --path for booleans. Reports
// every flag that is unknown, lacks its value or can be set only in a file, and every argument that is no flag.
CommandLine ParseCommandLine(std::span<const std::string> arguments, ConfigErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_COMMAND_LINE_H_
