#include "server/config/help.h"

#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/config/schema.h"
#include "server/config/setting_value.h"

namespace eplb {
namespace {

constexpr char kIntroduction[] =
    "eplb-server keeps expert-parallel fleets of GPUs balanced, over gRPC.\n"
    "\n"
    "Usage: eplb-server [--config FILE] [--SETTING=VALUE ...]\n"
    "\n"
    "Every setting is a flag and a key of the file. Flags win over the file, the file over the\n"
    "defaults. --x=v and --x v are the same; --x alone turns a true-or-false setting on; of equal\n"
    "flags the last counts. The file is textproto or JSON, by its ending (.textproto, .json) or its\n"
    "first character. SIGTERM and SIGINT drain and end the server, a second one ends it at once.\n"
    "\n"
    "Exit codes: 0 after a drain, which never fails, 1 could not start or was ended by a second signal,\n"
    "2 wrong flags or configuration.\n"
    "\n"
    "  --config FILE        reads settings from FILE, at most 1 MiB\n"
    "  --check-config       tells everything that is wrong with the configuration, and exits\n"
    "  --print-config       prints the configuration in effect as textproto, and exits\n"
    "  --version            prints the version, and exits\n"
    "  --help, -h           prints this text, and exits\n";

constexpr char kIndent[] = "      ";
constexpr std::size_t kMaxLineBytes = 100;

// Appends words to indented lines that end before kMaxLineBytes.
void AppendWrapped(std::string_view words, std::string& text) {
  std::size_t width = 0;
  for (const absl::string_view word : absl::StrSplit(absl::string_view(words.data(), words.size()), ' ')) {
    if (width > 0 && width + 1 + word.size() > kMaxLineBytes) {
      text += '\n';
      width = 0;
    }
    const absl::string_view space = width == 0 ? kIndent : " ";
    absl::StrAppend(&text, space, word);
    width += space.size() + word.size();
  }
  text += '\n';
}

std::string_view SectionOf(const ConfigLeaf& leaf) {
  return std::string_view(leaf.path).substr(0, leaf.path.find('.'));
}

std::string DescribeDefault(const config::v1::Setting& setting) {
  if (setting.secret()) return "";
  return setting.default_value().empty() ? " Default: none." : absl::StrCat(" Default: ", setting.default_value(), ".");
}

void AppendSetting(const ConfigLeaf& leaf, std::string& text) {
  if (leaf.setting->file_only()) {
    absl::StrAppend(&text, "  ", leaf.path, " (only in the file)\n");
    AppendWrapped(leaf.setting->help(), text);
    return;
  }
  absl::StrAppend(&text, "  --", leaf.path, "\n");
  AppendWrapped(leaf.setting->help(), text);
  std::string accepted = DescribeAccepted(leaf.field());
  accepted[0] = static_cast<char>(accepted[0] - 'a' + 'A');
  AppendWrapped(absl::StrCat(accepted, ".", DescribeDefault(*leaf.setting)), text);
}

}  // namespace

std::string HelpText() {
  std::string text = kIntroduction;
  std::string_view section;
  for (const ConfigLeaf& leaf : ConfigLeaves()) {
    if (SectionOf(leaf) != section) {
      section = SectionOf(leaf);
      absl::StrAppend(&text, "\n", std::string(section), ":\n");
    }
    AppendSetting(leaf, text);
  }
  return text;
}

}  // namespace eplb
