// eplb-server: keeps expert-parallel fleets balanced, over gRPC. See --help.
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include "server/app/run_server.h"
#include "server/config/load_config.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto loaded = eplb::LoadConfig(arguments, eplb::ReadSmallFile);
  if (const auto* exit = std::get_if<eplb::ExitRequest>(&loaded)) {
    std::cout << exit->output;
    std::cerr << exit->complaint;
    return exit->code;
  }
  return eplb::RunServer(std::get<eplb::Config>(loaded));
}
