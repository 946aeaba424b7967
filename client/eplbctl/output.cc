#include "client/eplbctl/output.h"

#include <cstdio>

#include "client/eplbctl/terminal.h"
#include "client/files/file_io.h"
#include "server/base/status_macros.h"

namespace eplb {

void OutputFlags::AddTo(CLI::App& app) {
  format_option_ = app.add_option("--format", format_, "table for people, json for programs")
                       ->check(CLI::IsMember({"table", "json"}).description(""))
                       ->type_name("table|json")
                       ->capture_default_str()
                       ->group("Output");
  app.add_option("--output", path_,
                 "Write the result to this file, whole or not at all; as JSON unless --format says else")
      ->type_name("FILE")
      ->group("Output");
}

absl::Status OutputFlags::Write(const std::function<std::string(bool)>& table,
                                const std::function<std::string()>& json) const {
  const bool chosen = format_option_->count() > 0;
  const bool as_json = format_ == "json";
  if (!path_.empty()) {
    EPLB_RETURN_IF_ERROR(WriteFileAtomically(path_, as_json || !chosen ? json() : table(false)));
    if (chosen) return absl::OkStatus();
  }
  return PrintText(as_json ? json() : table(StandardOutputHasColour()));
}

absl::Status PrintText(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size()) return absl::OkStatus();
  return absl::UnknownError("the standard output cannot be written");
}

}  // namespace eplb
