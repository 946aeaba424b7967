#ifndef EPLB_CLIENT_SIMULATOR_SIMULATOR_FLAGS_H_
#define EPLB_CLIENT_SIMULATOR_SIMULATOR_FLAGS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/client_options.h"
#include "client/eplbctl/server_flags.h"
#include "client/simulator/simulated_fleet.h"

namespace eplb {

// What eplb-simulator is told.
struct SimulatorOptions {
  std::string server = "127.0.0.1:50051";
  TlsFlags tls_flags = {};
  std::optional<ClientTlsOptions> tls = {};  // unset: plaintext
  int deployments = 1;
  int workers = 0;  // of each fleet; 0: one for each GPU
  int channels = 4;
  double seconds = 60;
  double print_every = 2;
  double target = 1.2;      // step time that the summary judges by
  std::string series_path;  // empty: made-up traffic
  FleetOptions fleet = {};
};

// Adds all flags, with the default fleet: DeepSeek-V3's layers on 32 GPUs. options outlives app.
void AddSimulatorFlags(CLI::App& app, SimulatorOptions& options);

// Does what needs all flags: reads the series and the certificates, and counts the workers. INVALID_ARGUMENT or
// NOT_FOUND names the flag or the file.
absl::Status FinishSimulatorOptions(SimulatorOptions& options);

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_SIMULATOR_FLAGS_H_
