#include "client/simulator/simulator_flags.h"

#include <limits>
#include <memory>
#include <utility>

#include "client/eplbctl/flag_checks.h"
#include "client/files/load_file.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr int kFirstSeriesLayer = 3;  // where a file does not number its layers; DeepSeek-V3's first three are dense
constexpr double kMaxSeconds = 86400;

template <typename T>
CLI::Option* Add(CLI::App& app, const char* group, const char* name, T& value, const char* help, T low, T high) {
  return app.add_option(name, value, help)->check(InRange(low, high))->group(group)->capture_default_str();
}

void AddFleetFlags(CLI::App& app, SimulatorOptions& options) {
  constexpr char kGroup[] = "Fleet";
  FleetOptions& fleet = options.fleet;
  fleet.topology = {.num_gpus = 32, .num_nodes = 4, .num_groups = 8, .num_slots = 288};
  Add(app, kGroup, "--deployments", options.deployments, "Fleets", 1, 4096);
  Add(app, kGroup, "--gpus", fleet.topology.num_gpus, "GPUs of each fleet", 1, kMaxGpus);
  app.add_option("--workers", options.workers, "Workers of each fleet; divides --gpus [one for each GPU]")
      ->check(InRange(1, kMaxGpus))
      ->group(kGroup);
  Add(app, kGroup, "--nodes", fleet.topology.num_nodes, "Nodes of each fleet", 1, kMaxGpus);
  Add(app, kGroup, "--groups", fleet.topology.num_groups, "Expert groups of the router", 1, kMaxExperts);
  Add(app, kGroup, "--slots", fleet.topology.num_slots, "Physical slots per layer", 1, kMaxSlots);
  app.add_flag("--all-ranks", fleet.all_ranks, "Every worker watches, prepare and commit; else worker 0 for all")
      ->group(kGroup);
  Add<std::int64_t>(app, kGroup, "--bytes-per-expert", fleet.bytes_per_expert, "Weights of one expert in one layer", 1,
                    kMaxBytesPerExpert);
  Add(app, kGroup, "--bytes-per-second", fleet.bytes_per_second, "At which a GPU receives weights", 1.0, 1e15);
  app.add_option_function<double>(
         "--latency-ms", [&fleet](double value) { fleet.latency = absl::Milliseconds(value); },
         "Milliseconds that each step of transfers takes besides [5]")
      ->check(InRange(0.0, 1e6))
      ->group(kGroup);
}

void AddTrafficFlags(CLI::App& app, SimulatorOptions& options) {
  constexpr char kGroup[] = "Traffic";
  FleetOptions& fleet = options.fleet;
  DriftOptions& drift = fleet.drift;
  app.add_option("--series", options.series_path,
                 "Recorded loads, NumPy or CSV as eplbctl replay takes them, over and over; sets layers and experts")
      ->type_name("FILE")
      ->group(kGroup);
  Add(app, kGroup, "--sub-window-seconds", fleet.sub_window_seconds, "How long a sub-window of the series lasts", 0.01,
      kMaxSeconds);
  Add(app, kGroup, "--layers", drift.num_layers, "Expert layers", 1, kMaxLayers);
  Add(app, kGroup, "--experts", drift.num_experts, "Logical experts per layer", 1, kMaxExperts);
  Add(app, kGroup, "--sigma", drift.sigma, "Skew: standard deviation of an expert's log popularity", 0.0, 5.0);
  Add(app, kGroup, "--neighbour-share", drift.neighbour_share, "Part of it that neighbouring experts share", 0.0, 1.0);
  Add(app, kGroup, "--similarity", drift.similarity, "Correlation of popularity between the workloads", 0.0, 1.0);
  Add(app, kGroup, "--drift", drift.drift, "How far the mixture of workloads wanders per second", 0.0, 100.0);
  Add(app, kGroup, "--shift-at", drift.shift_at, "Second at which traffic jumps to another workload; negative: never",
      -1.0, kMaxSeconds);
  Add<std::uint64_t>(app, kGroup, "--seed", fleet.seed, "Makes the run another one", 0,
                     std::numeric_limits<std::uint32_t>::max());
}

void AddFaultFlags(CLI::App& app, FaultOptions& faults) {
  constexpr char kGroup[] = "Faults (workers count from 0)";
  const auto worker = [&](const char* name, int& value, const char* help) {
    return app.add_option(name, value, help)->type_name("WORKER")->check(InRange(0, kMaxGpus))->group(kGroup);
  };
  const auto number = [&](const char* name, double& value, const char* help, double low, double high) {
    return Add(app, kGroup, name, value, help, low, high);
  };
  auto* reject = worker("--reject-worker", faults.rejecting_worker, "Rejects placements");
  number("--reject-probability", faults.reject_probability, "How often it does", 0, 1)->needs(reject);
  auto* slow = worker("--slow-worker", faults.slow_worker, "Stages slowly");
  slow->needs(number("--slow-seconds", faults.slow_seconds, "How much slower", 0, kMaxSeconds)->needs(slow));
  auto* reader = worker("--slow-reader", faults.slow_reader, "Reads its placements slowly; 0, or any with --all-ranks");
  reader->needs(
      number("--slow-reader-seconds", faults.slow_reader_seconds, "How long before it reads the next", 0, kMaxSeconds)
          ->needs(reader));
  auto* dead = worker("--dead-worker", faults.dead_worker, "Dies without a word");
  dead->needs(number("--dead-at", faults.dead_at, "When, in seconds", 0, kMaxSeconds)->needs(dead));
  auto* restart = worker("--restart-worker", faults.restarting_worker, "Dies, and comes back as a new incarnation");
  restart->needs(number("--restart-at", faults.restart_at, "When, in seconds", 0, kMaxSeconds)->needs(restart));
  number("--restart-for", faults.restart_for, "Seconds that it is away", 0.01, kMaxSeconds)->needs(restart);
  number("--clock-skew", faults.clock_skew_seconds, "Seconds that the workers' clocks are ahead", -1e9, 1e9);
  number("--lose-reports", faults.loss_probability, "Part of the reports that is lost on the way", 0, 1);
  number("--duplicate-reports", faults.duplicate_probability, "Part of the reports that comes twice", 0, 1);
}

}  // namespace

void AddSimulatorFlags(CLI::App& app, SimulatorOptions& options) {
  app.add_option("--server", options.server, "Server to report to")->type_name("HOST:PORT")->capture_default_str();
  options.tls_flags.AddTo(app, "TLS");
  Add(app, "Options", "--seconds", options.seconds, "How long to run", 0.1, kMaxSeconds);
  Add(app, "Options", "--print-every", options.print_every, "Seconds between lines of the table", 0.1, 3600.0);
  Add(app, "Options", "--target", options.target, "Step time that the summary judges by", 1.0, 1000.0);
  Add(app, "Options", "--channels", options.channels, "Connections that the workers share", 1, 1024);
  AddFleetFlags(app, options);
  AddTrafficFlags(app, options);
  AddFaultFlags(app, options.fleet.faults);
}

absl::Status FinishSimulatorOptions(SimulatorOptions& options) {
  options.fleet.num_workers = options.workers == 0 ? options.fleet.topology.num_gpus : options.workers;
  EPLB_ASSIGN_OR_RETURN(options.tls, options.tls_flags.Read());
  if (options.series_path.empty()) return absl::OkStatus();
  EPLB_ASSIGN_OR_RETURN(LoadFile file, ReadLoadFile(options.series_path));
  options.fleet.series = std::make_shared<const LoadSeries>(
      file.names_layers ? std::move(file.series) : std::move(file.series).NumberedFrom(kFirstSeriesLayer));
  return absl::OkStatus();
}

}  // namespace eplb
