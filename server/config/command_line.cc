#include "server/config/command_line.h"

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

using google::protobuf::FieldDescriptor;

constexpr std::array<std::pair<std::string_view, Command>, 5> kCommands = {{{"--help", Command::kHelp},
                                                                            {"-h", Command::kHelp},
                                                                            {"--version", Command::kVersion},
                                                                            {"--check-config", Command::kCheckConfig},
                                                                            {"--print-config", Command::kPrintConfig}}};

std::optional<Command> FindCommand(std::string_view argument) {
  for (const auto& [name, command] : kCommands) {
    if (argument == name) return command;
  }
  return std::nullopt;
}

class Parser {
 public:
  Parser(std::span<const std::string> arguments, ConfigErrors& errors) : arguments_(arguments), errors_(errors) {}

  CommandLine Parse() {
    while (next_ < arguments_.size()) ParseArgument(arguments_[next_++]);
    return std::move(result_);
  }

 private:
  void ParseArgument(const std::string& argument) {
    if (const std::optional<Command> command = FindCommand(argument)) {
      // Asking for help or the version wins over all else.
      if (result_.command != Command::kHelp && result_.command != Command::kVersion) result_.command = *command;
    } else if (argument.starts_with("--") && argument.size() > 2) {
      ParseFlag(argument);
    } else {
      errors_.Add("argument", argument, "must be a flag; see --help");
    }
  }

  void ParseFlag(const std::string& argument) {
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = argument.substr(equals + 1);
    if (name == "config") {
      if (!value) value = TakeValue(argument);
      if (value) result_.config_file = *value;
    } else if (const ConfigLeaf* leaf = FindConfigLeaf(name)) {
      ParseSetting(*leaf, std::move(value));
    } else {
      ReportUnknown(name);
    }
  }

  void ParseSetting(const ConfigLeaf& leaf, std::optional<std::string> value) {
    if (leaf.setting->file_only()) {
      errors_.Add("--" + leaf.path, "", "can be set only in the file given by --config");
      return;
    }
    if (!value && leaf.field().cpp_type() == FieldDescriptor::CPPTYPE_BOOL) value = "true";
    if (!value) value = TakeValue("--" + leaf.path);
    if (value) result_.settings.push_back({&leaf, *std::move(value)});
  }

  // The next argument, unless it is a flag itself.
  std::optional<std::string> TakeValue(const std::string& flag) {
    if (next_ == arguments_.size() || arguments_[next_].starts_with("--")) {
      errors_.Add(flag, "", "lacks its value");
      return std::nullopt;
    }
    return arguments_[next_++];
  }

  void ReportUnknown(const std::string& name) {
    std::vector<std::string> known = {"config", "help", "version", "check-config", "print-config"};
    for (const ConfigLeaf& leaf : ConfigLeaves()) {
      if (!leaf.setting->file_only()) known.push_back(leaf.path);
    }
    const std::string nearest = NearestName(name, known);
    errors_.Add(
        absl::StrCat("--", name.substr(0, kMaxNameBytes)), "",
        nearest.empty() ? "unknown flag; see --help" : absl::StrCat("unknown flag; did you mean --", nearest, "?"));
  }

  static constexpr std::size_t kMaxNameBytes = 128;

  const std::span<const std::string> arguments_;
  ConfigErrors& errors_;
  std::size_t next_ = 0;
  CommandLine result_;
};

}  // namespace

CommandLine ParseCommandLine(std::span<const std::string> arguments, ConfigErrors& errors) {
  return Parser(arguments, errors).Parse();
}

}  // namespace eplb
