#include "server/config/load_config.h"

#include <google/protobuf/text_format.h>

#include "absl/strings/str_cat.h"
#include "server/base/build_info.h"
#include "server/base/check.h"
#include "server/config/apply_document.h"
#include "server/config/command_line.h"
#include "server/config/document.h"
#include "server/config/help.h"
#include "server/config/schema.h"
#include "server/config/setting_value.h"

namespace eplb {
namespace {

using config::v1::ServerConfig;
using google::protobuf::Message;

bool IsSet(const Message& parent, const ConfigLeaf& leaf) {
  return parent.GetReflection()->HasField(parent, &leaf.field());
}

// A default that is not stated is the type's zero value.
std::string DefaultText(const ConfigLeaf& leaf) {
  const std::string& stated = leaf.setting->default_value();
  const bool is_text = leaf.field().cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING;
  EPLB_CHECK(is_text || !stated.empty());
  return stated;
}

void FillDefaults(ServerConfig& config) {
  for (const ConfigLeaf& leaf : ConfigLeaves()) {
    if (leaf.field().is_repeated()) continue;
    Message& parent = MutableParent(config, leaf);
    if (!IsSet(parent, leaf)) EPLB_CHECK(!SetFromText(parent, leaf.field(), DefaultText(leaf)));
  }
}

void ApplyFile(const std::string& path, const FileReader& read_file, ServerConfig& config, ConfigErrors& errors) {
  const absl::StatusOr<std::string> content = read_file(path);
  if (!content.ok()) {
    errors.Add("--config", path, absl::StrCat("cannot be read: ", content.status().message()));
    return;
  }
  const DocumentNode document = ParseDocument(path, *content, FormatOf(path, *content), errors);
  ApplyDocument(path, document, config, errors);
}

void ApplyFlags(const std::vector<SettingFlag>& flags, ServerConfig& config, ConfigErrors& errors) {
  for (const SettingFlag& flag : flags) {
    const auto broken = SetFromText(MutableParent(config, *flag.leaf), flag.leaf->field(), flag.value);
    if (!broken) continue;
    const bool secret = flag.leaf->setting->secret();
    errors.Add("--" + flag.leaf->path, secret ? "" : flag.value.empty() ? "(empty)" : flag.value, *broken);
  }
}

}  // namespace

class ConfigLoader {
 public:
  static std::variant<Config, ExitRequest> Load(std::span<const std::string> arguments, const FileReader& read_file) {
    ConfigErrors errors;
    const CommandLine line = ParseCommandLine(arguments, errors);
    if (line.command == Command::kHelp) return ExitRequest{.output = HelpText()};
    if (line.command == Command::kVersion) return ExitRequest{.output = VersionText()};
    ServerConfig config;
    if (!line.config_file.empty()) ApplyFile(line.config_file, read_file, config, errors);
    ApplyFlags(line.settings, config, errors);
    FillDefaults(config);
    CheckRules(config, read_file, errors);
    if (!errors.empty()) return ExitRequest{.code = kUsageExitCode, .complaint = Complaint(errors)};
    return Finish(line.command, Config(std::move(config)));
  }

 private:
  static std::string VersionText() {
    return absl::StrCat("eplb-server ", BuildVersion(), " (", BuildRevision(), ")\n");
  }

  static std::string Complaint(const ConfigErrors& errors) {
    return absl::StrCat("eplb-server: the configuration is wrong:\n", errors.ToText());
  }

  static std::variant<Config, ExitRequest> Finish(Command command, Config config) {
    if (command == Command::kCheckConfig) return ExitRequest{.output = "configuration is valid\n"};
    if (command == Command::kPrintConfig) return ExitRequest{.output = config.ToText()};
    return config;
  }
};

std::string Config::ToText() const {
  std::string text;
  EPLB_CHECK(google::protobuf::TextFormat::PrintToString(proto_, &text));
  return text;
}

std::variant<Config, ExitRequest> LoadConfig(std::span<const std::string> arguments, const FileReader& read_file) {
  return ConfigLoader::Load(arguments, read_file);
}

}  // namespace eplb
