#ifndef EPLB_SERVER_CONFIG_LOAD_CONFIG_H_
#define EPLB_SERVER_CONFIG_LOAD_CONFIG_H_

#include <span>
#include <string>
#include <variant>

#include "server/config/config.h"
#include "server/config/rules.h"

namespace eplb {

// The process ends before it serves: --help and the like, or a configuration that is wrong.
struct ExitRequest {
  int code = 0;                // 0, or kUsageExitCode
  std::string output = {};     // for standard output
  std::string complaint = {};  // for standard error: every error, a line each
};

inline constexpr int kUsageExitCode = 2;

// From the arguments that follow the program's name, the file that they name, and the defaults, to the configuration.
std::variant<Config, ExitRequest> LoadConfig(std::span<const std::string> arguments, const FileReader& read_file);

// The FileReader of the machine.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_LOAD_CONFIG_H_
