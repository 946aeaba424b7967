#ifndef EPLB_TESTS_SERVER_CONFIG_CONFIG_TEST_UTIL_H_
#define EPLB_TESTS_SERVER_CONFIG_CONFIG_TEST_UTIL_H_

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/config/load_config.h"

namespace eplb::testing {

// A machine whose files are in memory.
class ConfigMachine {
 public:
  ConfigMachine& File(const std::string& path, const std::string& content) {
    files_[path] = content;
    return *this;
  }

  std::variant<Config, ExitRequest> Load(const std::vector<std::string>& arguments) const {
    return LoadConfig(arguments, [this](const std::string& path) -> absl::StatusOr<std::string> {
      const auto found = files_.find(path);
      if (found == files_.end()) return absl::UnavailableError("No such file or directory");
      return found->second;
    });
  }

  // What is complained of; empty where the configuration is right.
  std::string Complaint(const std::vector<std::string>& arguments) const {
    const auto loaded = Load(arguments);
    const auto* exit = std::get_if<ExitRequest>(&loaded);
    return exit == nullptr ? "" : exit->complaint;
  }

  // The configuration, which must be right.
  config::v1::ServerConfig Proto(const std::vector<std::string>& arguments) const {
    const auto loaded = Load(arguments);
    if (const auto* exit = std::get_if<ExitRequest>(&loaded)) throw std::runtime_error(exit->complaint);
    return std::get<Config>(loaded).proto();
  }

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SERVER_CONFIG_CONFIG_TEST_UTIL_H_
