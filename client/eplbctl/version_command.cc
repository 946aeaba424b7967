#include <cstdio>

#include "client/eplbctl/command.h"

namespace eplb {

Command AddVersionCommand(CLI::App& root) {
  return {.app = root.add_subcommand("version", "Print the version"), .run = [] {
            std::puts("eplbctl " EPLB_VERSION);
            return absl::OkStatus();
          }};
}

}  // namespace eplb
