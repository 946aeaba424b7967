#ifndef EPLB_SERVER_CONFIG_RULES_H_
#define EPLB_SERVER_CONFIG_RULES_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "eplb/config/v1/config.pb.h"
#include "server/config/config_errors.h"

namespace eplb {

// Reads a file whole. Configurations are small, so past 1 MiB it is an error. A parameter where files are read, so
// that tests and fuzzers touch none.
using FileReader = std::function<absl::StatusOr<std::string>(const std::string& path)>;

// What no field's own bounds can say: settings that need each other, that contradict each other, or that open the
// server to others. Every field of `config` must be set. Reports each broken rule under the name of the setting.
void CheckRules(const config::v1::ServerConfig& config, const FileReader& read_file, ConfigErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_RULES_H_
