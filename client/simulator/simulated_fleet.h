#ifndef EPLB_CLIENT_SIMULATOR_SIMULATED_FLEET_H_
#define EPLB_CLIENT_SIMULATOR_SIMULATED_FLEET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/live/event_loop.h"
#include "client/live/fleet_worker.h"
#include "client/simulator/drifting_loads.h"
#include "server/balancer/balance_metrics.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// What goes wrong in a simulated fleet, each for one worker.
struct FaultOptions {
  int rejecting_worker = -1;        // rejects every placement
  double reject_probability = 1.0;  // of the rejecting worker
  int slow_worker = -1;             // takes slow_seconds more to stage a placement
  double slow_seconds = 0;          //
  int dead_worker = -1;             // stops without a word at dead_at
  double dead_at = -1;              // seconds from the start
  int restarting_worker = -1;       // stops at restart_at and comes back as a new incarnation restart_for later
  double restart_at = -1;           //
  double restart_for = 2;           //
  double clock_skew_seconds = 0;    // of every worker's end_time
  double loss_probability = 0;      // of a report's loads, before they are sent
};

// One deployment of simulated GPU workers.
struct FleetOptions {
  std::string deployment = "simulated/fleet-0";
  TopologyOptions topology = {};
  int num_workers = 1;     // divides the GPUs
  bool all_ranks = false;  // every worker watches, prepare and commit; else worker 0 watches for all
  DriftOptions drift = {};
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
  int connected_workers = 0;
  std::uint64_t reports = 0;
  std::uint64_t reports_held_back = 0;
  std::uint64_t errors = 0;
  v1::PlacementVersion version = {};
  std::string last_error = {};
};

// Workers that report the loads of a DriftingLoads by local slot, and apply what the service tells them at the speed of
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

 private:
  class WorkerEngine;
  friend class WorkerEngine;

  SimulatedFleet(FleetOptions options, Topology topology, Placement contiguous, v1::EplbService::Stub& stub,
                 EventLoop& loop);
  std::unique_ptr<FleetWorker> MakeWorker(int index, int incarnation);
  void Advance();
  void Score();
  void OnActivated(int worker, const PlacementChange& change);
  int CountFetches(const PlacementChange& change, int* most_on_one_gpu) const;
  void ScheduleFaults();
  std::vector<v1::LayerPlacement> LayersInForce() const;

  const FleetOptions options_;
  const Topology topology_;
  const Placement contiguous_;
  v1::EplbService::Stub& stub_;
  EventLoop& loop_;
  DriftingLoads loads_;
  std::vector<std::vector<std::int32_t>> slots_;        // [layers][slots] in force
  std::vector<std::vector<std::int32_t>> replicas_;     // [layers][experts]
  std::vector<std::unique_ptr<WorkerEngine>> engines_;  // [workers]
  std::vector<std::unique_ptr<FleetWorker>> workers_;   // [workers]; null while one is down
  std::vector<std::unique_ptr<FleetWorker>> retired_;   // of former incarnations, for their figures
  absl::Duration started_ = absl::ZeroDuration();
  double last_scored_ = 0;
  double weighted_step_time_ = 0;
  double weighted_contiguous_ = 0;
  FleetFigures figures_;
  bool stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_SIMULATED_FLEET_H_
