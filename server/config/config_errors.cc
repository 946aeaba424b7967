#include "server/config/config_errors.h"

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"

namespace eplb {
namespace {

// Paths and rules may be longer than a quoted value, but they too can hold what a file or a shell gave.
std::string WithoutControls(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

}  // namespace

void ConfigErrors::Add(std::string_view where, std::string_view value, std::string_view rule) {
  if (lines_.size() >= kMaxErrors) {
    ++dropped_;
    return;
  }
  std::string line = WithoutControls(where);
  if (!value.empty()) absl::StrAppend(&line, ": \"", QuoteForError(value), "\"");
  absl::StrAppend(&line, ": ", WithoutControls(rule));
  lines_.push_back(std::move(line));
}

std::string ConfigErrors::ToText() const {
  std::string text;
  for (const std::string& line : lines_) absl::StrAppend(&text, line, "\n");
  if (dropped_ > 0) absl::StrAppend(&text, "and ", dropped_, " more\n");
  return text;
}

}  // namespace eplb
