#include <google/protobuf/util/message_differencer.h>

#include <cstdint>
#include <string>
#include <variant>

#include "server/base/check.h"
#include "server/config/load_config.h"

// Any bytes, as either form of file, either are refused with a complaint or are a configuration that prints itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string content(reinterpret_cast<const char*>(data), size);
  std::string printed;
  const eplb::FileReader read_file = [&](const std::string& path) -> absl::StatusOr<std::string> {
    if (path == "printed.textproto") return printed;
    if (path == "fuzzed.json" || path == "fuzzed.textproto") return content;
    return absl::UnavailableError("none");
  };
  for (const std::string file : {"fuzzed.json", "fuzzed.textproto"}) {
    const std::vector<std::string> arguments = {"--config", file};
    const auto loaded = eplb::LoadConfig(arguments, read_file);
    if (const auto* exit = std::get_if<eplb::ExitRequest>(&loaded)) {
      EPLB_CHECK(exit->code == eplb::kUsageExitCode && !exit->complaint.empty());
      continue;
    }
    const auto& config = std::get<eplb::Config>(loaded);
    printed = config.ToText();
    const std::vector<std::string> again = {"--config", "printed.textproto"};
    const auto reloaded = eplb::LoadConfig(again, read_file);
    EPLB_CHECK(std::holds_alternative<eplb::Config>(reloaded));
    EPLB_CHECK(
        google::protobuf::util::MessageDifferencer::Equals(config.proto(), std::get<eplb::Config>(reloaded).proto()));
  }
  return 0;
}
