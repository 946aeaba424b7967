#ifndef EPLB_CLIENT_EPLBCTL_OUTPUT_H_
#define EPLB_CLIENT_EPLBCTL_OUTPUT_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace eplb {

// --format and --output: where a result goes. By default the table goes to the standard output; with --output and no
// --format the JSON goes to the file besides; with both, the file gets that format and the standard output nothing.
class OutputFlags {
 public:
  void AddTo(CLI::App& app);

  // Writes the result; each function makes one form of it and is called only where that form is wanted.
  absl::Status Write(const std::function<std::string(bool colour)>& table,
                     const std::function<std::string()>& json) const;

 private:
  CLI::Option* format_option_ = nullptr;
  std::string format_ = "table";
  std::string path_;
};

// Writes to the standard output. UNKNOWN where that fails.
absl::Status PrintText(const std::string& text);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_OUTPUT_H_
