// eplb-simulator: fleets of simulated GPU workers against a real server.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/channel.h"
#include "client/simulator/fleet_report.h"
#include "client/simulator/simulated_fleet.h"
#include "client/simulator/simulator_flags.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr int kBadInput = 2;
constexpr int kNeverConnected = 3;

using Stubs = std::vector<std::unique_ptr<v1::EplbService::Stub>>;
using Fleets = std::vector<std::unique_ptr<SimulatedFleet>>;

int Fail(const std::string& message) {
  std::fprintf(stderr, "eplb-simulator: %s\n", message.c_str());
  return kBadInput;
}

std::string FleetName(int index) { return absl::StrCat("simulated/fleet-", index); }

absl::StatusOr<Stubs> Connect(const SimulatorOptions& options) {
  Stubs stubs;
  for (int i = 0; i < options.channels; ++i) {
    // gRPC shares one connection between channels that look alike; the message bound makes each one its own.
    EPLB_ASSIGN_OR_RETURN(
        const std::shared_ptr<grpc::Channel> channel,
        NewChannel(
            {.target = options.server, .tls = options.tls, .one_server = true, .max_message_bytes = (64 << 20) + i}));
    stubs.push_back(v1::EplbService::NewStub(channel));
  }
  return stubs;
}

absl::StatusOr<Fleets> MakeFleets(const SimulatorOptions& options, const Stubs& stubs, EventLoop& loop) {
  Fleets fleets;
  for (int i = 0; i < options.deployments; ++i) {
    FleetOptions fleet = options.fleet;
    fleet.deployment = FleetName(i);
    fleet.seed = options.fleet.seed + static_cast<std::uint64_t>(i);
    fleet.drift.seed = fleet.seed;
    EPLB_ASSIGN_OR_RETURN(
        std::unique_ptr<SimulatedFleet> made,
        SimulatedFleet::Create(std::move(fleet), *stubs[static_cast<std::size_t>(i) % stubs.size()], loop));
    fleets.push_back(std::move(made));
  }
  return fleets;
}

// The sum or mean over fleets.
FleetFigures Total(const Fleets& fleets) {
  FleetFigures total;
  const double n = static_cast<double>(fleets.size());
  for (const auto& fleet : fleets) {
    const FleetFigures figures = fleet->Figures();
    total.step_time += figures.step_time / n;
    total.contiguous_step_time += figures.contiguous_step_time / n;
    total.balancedness += figures.balancedness / n;
    total.mean_step_time += figures.mean_step_time / n;
    total.mean_contiguous_step_time += figures.mean_contiguous_step_time / n;
    total.fetched_experts += figures.fetched_experts;
    total.fetched_bytes += figures.fetched_bytes;
    total.switches += figures.switches;
    total.connected_workers += figures.connected_workers;
    total.reports += figures.reports;
    total.reports_held_back += figures.reports_held_back;
    total.errors += figures.errors;
    if (!figures.last_error.empty()) total.last_error = figures.last_error;
  }
  return total;
}

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Of several fleets the events of the one that fared worst stand for all.
void PrintSummary(double seconds, const SimulatorOptions& options, const Fleets& fleets, const FleetFigures& total) {
  const auto worst = std::max_element(fleets.begin(), fleets.end(), [](const auto& a, const auto& b) {
    return a->Figures().mean_step_time < b->Figures().mean_step_time;
  });
  const StepHistory history = (*worst)->History();
  const FleetOptions& fleet = options.fleet;
  const int layers = fleet.series != nullptr ? fleet.series->shape().layers : fleet.drift.num_layers;
  Print(SummaryText(
      {.seconds = seconds,
       .target = options.target,
       .slots = static_cast<double>(fleet.topology.num_slots) * layers * options.deployments,
       .figures = total,
       .fleet = fleets.size() == 1 ? "" : FleetName(static_cast<int>(worst - fleets.begin())) + " (the worst)",
       .events = history.Events(options.target),
       .part_under_target = history.PartUnder(options.target)}));
}

int Simulate(const SimulatorOptions& options) {
  absl::StatusOr<Stubs> stubs = Connect(options);
  if (!stubs.ok()) return Fail(std::string(stubs.status().message()));
  EventLoop loop;
  absl::StatusOr<Fleets> fleets = MakeFleets(options, *stubs, loop);
  if (!fleets.ok()) return Fail(std::string(fleets.status().message()));
  for (const auto& fleet : *fleets) fleet->Start();
  Print(LiveHeader());
  const absl::Duration start = RealClock().Monotonic();
  const auto elapsed = [&] { return absl::ToDoubleSeconds(RealClock().Monotonic() - start); };
  const auto wait_until = [&](double second) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, second - elapsed())));
  };
  bool waiting_told = false;
  bool shift_told = false;
  for (double next = options.print_every; next < options.seconds + 1e-9; next += options.print_every) {
    wait_until(next);
    const FleetFigures figures = Total(*fleets);
    if (figures.reports == 0 && figures.errors > 0 && !std::exchange(waiting_told, true)) {
      std::fprintf(stderr, "eplb-simulator: waiting for %s: %s\n", options.server.c_str(), figures.last_error.c_str());
    }
    const double shift_at = options.fleet.series != nullptr ? -1 : options.fleet.drift.shift_at;
    if (shift_at >= 0 && next > shift_at && !std::exchange(shift_told, true)) Print("------ traffic shifts\n");
    Print(LiveLine(elapsed(), figures));
  }
  wait_until(options.seconds);
  const FleetFigures total = Total(*fleets);
  PrintSummary(elapsed(), options, *fleets, total);
  for (const auto& fleet : *fleets) fleet->Stop();
  fleets->clear();
  if (total.reports > 0) return 0;
  std::fprintf(stderr, "eplb-simulator: no report reached %s\n", options.server.c_str());
  return kNeverConnected;
}

int Run(int argc, char** argv) {
  CLI::App app("Fleets of simulated GPU workers that report loads to an EPLB server and apply its placements.",
               "eplb-simulator");
  app.footer(
      "Step time is the sum over layers of the max GPU load over the sum of the mean: 1 is perfect. Without the "
      "service is\n"
      "the contiguous layout, under the same loads.\n\n"
      "Exit codes: 0 done, 2 wrong usage or bad input, 3 no report reached the server.\n\n"
      "Examples:\n"
      "  eplb-simulator --server 127.0.0.1:50051 --seconds 60 --shift-at 30\n"
      "  eplb-simulator --series loads.npy --sub-window-seconds 5 --seconds 600\n"
      "  eplb-simulator --deployments 4 --all-ranks --dead-worker 3 --dead-at 20 --lose-reports 0.1");
  SimulatorOptions options;
  AddSimulatorFlags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return Fail(std::string(error.what()) + " (see eplb-simulator --help)");
  }
  const absl::Status finished = FinishSimulatorOptions(options);
  return finished.ok() ? Simulate(options) : Fail(std::string(finished.message()));
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) { return eplb::Run(argc, argv); }
