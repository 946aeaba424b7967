#ifndef EPLB_CLIENT_SIMULATOR_SIMULATED_FLEET_H_
#define EPLB_CLIENT_SIMULATOR_SIMULATED_FLEET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/files/load_series.h"
#include "client/live/event_loop.h"
#include "client/live/fleet_worker.h"
#include "client/simulator/drifting_loads.h"
#include "client/simulator/step_history.h"
#include "client/simulator/traffic.h"
#include "server/balancer/balance_metrics.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// What goes wrong in a simulated fleet. A worker of -1 is none.
struct FaultOptions {
  int rejecting_worker = -1;         // rejects placements
  double reject_probability = 1.0;   // how often it does
  int slow_worker = -1;              // takes slow_seconds more to stage a placement
  double slow_seconds = 0;           //
  int slow_reader = -1;              // a worker that reads one event of its watch in slow_reader_seconds
  double slow_reader_seconds = 0;    //
  int dead_worker = -1;              // stops without a word at dead_at
  double dead_at = 0;                // seconds from the start
  int restarting_worker = -1;        // stops at restart_at and comes back as a new incarnation restart_for later
  double restart_at = 0;             //
  double restart_for = 2;            //
  double clock_skew_seconds = 0;     // of every worker's end_time
  double loss_probability = 0;       // of each report, on its way
  double duplicate_probability = 0;  // of each report that is not lost
};

// One deployment of simulated GPU workers.
struct FleetOptions {
  std::string deployment = "simulated/fleet-0";
  TopologyOptions topology = {};
  int num_workers = 1;     // divides the GPUs
  bool all_ranks = false;  // every worker watches, prepare and commit; else worker 0 watches for all
  DriftOptions drift = {};
  // Recorded loads instead of drifting ones; drift then says nothing.
  std::shared_ptr<const LoadSeries> series = nullptr;
  double sub_window_seconds = 1;  // that each sub-window of the series lasts
  std::int64_t bytes_per_expert = 44'040'192;
  double bytes_per_second = 20e9;                  // at which a GPU receives weights
  absl::Duration latency = absl::Milliseconds(5);  // of a transfer step
  FaultOptions faults = {};
  std::uint64_t seed = 1;
};

// What the fleet's serving looked like.
struct FleetFigures {
  double step_time = 0;             // now, with the placement in force
  double contiguous_step_time = 0;  // now, as without the service
  double balancedness = 0;          // now, mean over layers
  double mean_step_time = 0;        // since the start
  double mean_contiguous_step_time = 0;
  std::int64_t fetched_experts = 0;
  std::int64_t fetched_bytes = 0;
  std::int64_t switches = 0;  // placements put in force
  int connected_workers = 0;  // whose telemetry stream the service has answered
  std::uint64_t reports = 0;
  std::uint64_t reports_held_back = 0;
  std::uint64_t errors = 0;
  v1::PlacementVersion version = {};
  std::string last_error = {};
};

// Workers that report the loads of their traffic by local slot, and apply what the service tells them at the speed of
// their links. Everything but construction and Figures runs on the loop.
class SimulatedFleet {
 public:
  // INVALID_ARGUMENT where the shapes do not fit. Stub and loop outlive the fleet.
  static absl::StatusOr<std::unique_ptr<SimulatedFleet>> Create(FleetOptions options, v1::EplbService::Stub& stub,
                                                                EventLoop& loop);
  ~SimulatedFleet();

  void Start();
  void Stop();
  FleetFigures Figures();
  // Step times so far; the start, the shift of traffic and each time without the service are its events.
  StepHistory History();

 private:
  class WorkerEngine;
  friend class WorkerEngine;

  SimulatedFleet(FleetOptions options, Topology topology, Placement contiguous, v1::EplbService::Stub& stub,
                 EventLoop& loop);
  std::unique_ptr<FleetWorker> MakeWorker(int index, int incarnation);
  void Advance();
  void Score();
  void OnActivated(int worker, const PlacementChange& change);
  // Experts that each GPU lacks of the change.
  std::vector<int> FetchesByGpu(const PlacementChange& change) const;
  void ScheduleFaults();
  void NoteEvents(double now);
  FleetWorkerFaults WorkerFaults(int index);
  std::size_t RowOf(int model_layer) const;
  int ConnectedWorkers() const;
  std::vector<v1::LayerPlacement> LayersInForce() const;

  const FleetOptions options_;
  const Topology topology_;
  const Placement contiguous_;
  v1::EplbService::Stub& stub_;
  EventLoop& loop_;
  const std::vector<int> model_layers_;
  const std::unique_ptr<Traffic> traffic_;
  std::vector<std::vector<std::int32_t>> slots_;        // [layers][slots] in force
  std::vector<std::vector<std::int32_t>> replicas_;     // [layers][experts]
  std::vector<std::unique_ptr<WorkerEngine>> engines_;  // [workers]
  std::vector<std::unique_ptr<FleetWorker>> workers_;   // [workers]; null while one is down
  std::vector<std::unique_ptr<FleetWorker>> retired_;   // of former incarnations, for their figures
  absl::Duration started_ = absl::ZeroDuration();
  double last_scored_ = 0;
  StepHistory history_;
  bool shift_noted_ = false;
  std::optional<std::size_t> outage_;  // the mark of the one that lasts, in history_
  double outage_since_ = 0;
  double weighted_step_time_ = 0;
  double weighted_contiguous_ = 0;
  FleetFigures figures_;
  bool stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_SIMULATED_FLEET_H_
