// eplb-simulator: fleets of simulated GPU workers against a real server.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/channel.h"
#include "client/simulator/simulated_fleet.h"
#include "server/base/clock.h"

namespace eplb {
namespace {

struct Options {
  std::string server = "127.0.0.1:50051";
  int deployments = 1;
  int workers = 32;
  int channels = 4;
  double seconds = 60;
  double print_every = 2;
  FleetOptions fleet = {};
};

void AddFlags(CLI::App& app, Options& options) {
  FleetOptions& fleet = options.fleet;
  fleet.topology = {.num_gpus = 32, .num_nodes = 4, .num_groups = 8, .num_slots = 288};
  app.add_option("--server", options.server, "Server to report to")->capture_default_str();
  app.add_option("--deployments", options.deployments, "Fleets")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--workers", options.workers, "Workers of each fleet; divides --gpus")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  app.add_option("--gpus", fleet.topology.num_gpus, "GPUs of each fleet")->capture_default_str();
  app.add_option("--nodes", fleet.topology.num_nodes, "Nodes of each fleet")->capture_default_str();
  app.add_option("--groups", fleet.topology.num_groups, "Expert groups of the router")->capture_default_str();
  app.add_option("--slots", fleet.topology.num_slots, "Physical slots per layer")->capture_default_str();
  app.add_option("--layers", fleet.drift.num_layers, "Expert layers")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--experts", fleet.drift.num_experts, "Logical experts per layer")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--all-ranks", fleet.all_ranks, "Every worker watches: prepare and commit");
  app.add_option("--channels", options.channels, "Connections that the workers share")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "How long to run")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_option("--print-every", options.print_every, "Seconds between lines of the table")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--drift", fleet.drift.drift, "How far traffic wanders per second")->capture_default_str();
  app.add_option("--shift-at", fleet.drift.shift_at, "Second at which traffic jumps; negative: never")
      ->capture_default_str();
  app.add_option("--sigma", fleet.drift.sigma, "Skew of expert popularity (lognormal)")->capture_default_str();
  app.add_option("--seed", fleet.seed, "Makes the run another one")->capture_default_str();
  app.add_option("--bytes-per-expert", fleet.bytes_per_expert, "Weights of one expert in one layer")
      ->capture_default_str();
  app.add_option("--bytes-per-second", fleet.bytes_per_second, "At which a GPU receives weights")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  FaultOptions& faults = fleet.faults;
  app.add_option("--reject-worker", faults.rejecting_worker, "Worker that rejects placements");
  app.add_option("--reject-probability", faults.reject_probability, "How often it does")->capture_default_str();
  app.add_option("--slow-worker", faults.slow_worker, "Worker that stages slowly");
  app.add_option("--slow-seconds", faults.slow_seconds, "How much slower")->capture_default_str();
  app.add_option("--dead-worker", faults.dead_worker, "Worker that dies");
  app.add_option("--dead-at", faults.dead_at, "When, in seconds");
  app.add_option("--restart-worker", faults.restarting_worker, "Worker that restarts as a new incarnation");
  app.add_option("--restart-at", faults.restart_at, "When, in seconds");
  app.add_option("--restart-for", faults.restart_for, "How long it is away")->capture_default_str();
  app.add_option("--clock-skew", faults.clock_skew_seconds, "Seconds that the workers' clocks are ahead");
  app.add_option("--lose-reports", faults.loss_probability, "Part of the loads that is lost before it is reported")
      ->check(CLI::Range(0.0, 1.0));
}

// The sum or mean over fleets.
FleetFigures Total(const std::vector<std::unique_ptr<SimulatedFleet>>& fleets) {
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
    total.version = figures.version;
    if (!figures.last_error.empty()) total.last_error = figures.last_error;
  }
  return total;
}

void PrintHeader() {
  std::printf("%7s %9s %10s %13s %12s %9s %9s %9s %7s\n", "second", "step time", "contiguous", "balancedness",
              "moved so far", "revision", "workers", "reports", "errors");
}

void PrintLine(double seconds, const FleetFigures& figures) {
  std::printf("%7.1f %9.3f %10.3f %13.4f %9.2f GB %9lld %9d %9llu %7llu\n", seconds, figures.step_time,
              figures.contiguous_step_time, figures.balancedness, static_cast<double>(figures.fetched_bytes) / 1e9,
              static_cast<long long>(figures.version.revision()), figures.connected_workers,
              static_cast<unsigned long long>(figures.reports), static_cast<unsigned long long>(figures.errors));
  std::fflush(stdout);
}

void PrintSummary(double seconds, const Options& options, const FleetFigures& figures) {
  const double imbalance = figures.mean_contiguous_step_time - 1;
  const double slots =
      static_cast<double>(options.fleet.topology.num_slots) * options.fleet.drift.num_layers * options.deployments;
  std::printf("\nover %.0f s:            with the service   without (contiguous)\n", seconds);
  std::printf("mean step time        %16.3f %22.3f\n", figures.mean_step_time, figures.mean_contiguous_step_time);
  std::printf("step time at the end  %16.3f %22.3f\n", figures.step_time, figures.contiguous_step_time);
  std::printf("weights moved         %13.2f GB %19.2f GB\n", static_cast<double>(figures.fetched_bytes) / 1e9, 0.0);
  std::printf(
      "imbalance reduced by %.0f %%, expert layers %.0f %% faster; %.1f %% of slots fetched a minute, %lld "
      "placements\n",
      imbalance > 0 ? 100 * (1 - (figures.mean_step_time - 1) / imbalance) : 0.0,
      100 * (figures.mean_contiguous_step_time / figures.mean_step_time - 1),
      100 * static_cast<double>(figures.fetched_experts) / slots / (seconds / 60),
      static_cast<long long>(figures.switches));
  std::printf("reports sent %llu, held back %llu, errors %llu%s%s\n", static_cast<unsigned long long>(figures.reports),
              static_cast<unsigned long long>(figures.reports_held_back),
              static_cast<unsigned long long>(figures.errors),
              figures.last_error.empty() ? "" : ", the last: ", figures.last_error.c_str());
}

int Run(const Options& options) {
  std::vector<std::unique_ptr<v1::EplbService::Stub>> stubs;
  for (int i = 0; i < options.channels; ++i) {
    // gRPC shares one connection between channels that look alike; the message bound makes each one its own.
    const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
        NewChannel({.target = options.server, .max_message_bytes = (64 << 20) + i});
    if (!channel.ok()) {
      std::fprintf(stderr, "eplb-simulator: %s\n", std::string(channel.status().message()).c_str());
      return 2;
    }
    stubs.push_back(v1::EplbService::NewStub(*channel));
  }
  EventLoop loop;
  std::vector<std::unique_ptr<SimulatedFleet>> fleets;
  for (int i = 0; i < options.deployments; ++i) {
    FleetOptions fleet = options.fleet;
    fleet.deployment = absl::StrCat("simulated/fleet-", i);
    fleet.num_workers = options.workers;
    fleet.seed = options.fleet.seed + static_cast<std::uint64_t>(i);
    fleet.drift.seed = fleet.seed;
    absl::StatusOr<std::unique_ptr<SimulatedFleet>> made =
        SimulatedFleet::Create(std::move(fleet), *stubs[static_cast<std::size_t>(i % options.channels)], loop);
    if (!made.ok()) {
      std::fprintf(stderr, "eplb-simulator: %s\n", std::string(made.status().message()).c_str());
      return 2;
    }
    fleets.push_back(*std::move(made));
  }
  for (const auto& fleet : fleets) fleet->Start();
  PrintHeader();
  const absl::Duration start = RealClock().Monotonic();
  const auto elapsed = [&] { return absl::ToDoubleSeconds(RealClock().Monotonic() - start); };
  for (double next = options.print_every; next < options.seconds + 1e-9; next += options.print_every) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, next - elapsed())));
    PrintLine(elapsed(), Total(fleets));
  }
  const FleetFigures total = Total(fleets);
  PrintSummary(elapsed(), options, total);
  const bool never_connected = total.reports == 0;
  for (const auto& fleet : fleets) fleet->Stop();
  fleets.clear();
  return never_connected ? 3 : 0;
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  CLI::App app("Fleets of simulated GPU workers that report loads to an EPLB server and apply its placements.");
  app.footer(
      "Exit codes: 0 done, 2 wrong usage, 3 no report reached the server.\n"
      "Example: eplb-simulator --server 127.0.0.1:50051 --seconds 60 --shift-at 30");
  eplb::Options options;
  eplb::AddFlags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return eplb::Run(options);
}
