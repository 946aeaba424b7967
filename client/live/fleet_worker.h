#ifndef EPLB_CLIENT_LIVE_FLEET_WORKER_H_
#define EPLB_CLIENT_LIVE_FLEET_WORKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/live/event_loop.h"
#include "eplb/v1/eplb_service.grpc.pb.h"

namespace eplb {

// A placement that the engine is to take over.
struct PlacementChange {
  v1::PlacementVersion version;
  v1::PlacementVersion base;               // what it replaces; unset: whatever is in force
  std::vector<v1::LayerPlacement> layers;  // those that change, each whole; all of them with a full placement
  std::vector<v1::Transfer> transfers;     // ordered by step; empty with a full placement: fetch what is lacking
};

// What a worker's engine does. All calls come on the loop's thread and must not block it.
class Engine {
 public:
  using Done = std::function<void(const absl::Status&)>;

  virtual ~Engine() = default;

  // Stages the weights that the change needs, then calls done once, from any thread. On an error the change is dropped
  // and its former placement stays in force. One change is staged at a time; Discard may come before done was called.
  virtual void Prepare(std::shared_ptr<const PlacementChange> change, Done done) = 0;
  // Switches routing over to the change that was prepared. Must succeed.
  virtual void Activate(const PlacementChange& change) = 0;
  // Drops the change, prepared or still preparing.
  virtual void Discard(const PlacementChange& change) = 0;
  // Bytes of weights that this worker has fetched for the change so far, for the service's figures. 0: none, or not
  // known. Called when the service is told how far the change is.
  virtual std::int64_t FetchedBytes(const PlacementChange& /*change*/) { return 0; }
  // Moves the loads since the last call into the report (window, steps, phase, tokens; the rest is filled in). False:
  // nothing to report. Called each interval, and before a switch, so that no report mixes two placements.
  virtual bool TakeLoads(v1::LoadReport& report) = 0;
  // Tells of an error that the library goes on from by itself, as a stream that ended; for logs.
  virtual void OnError(const absl::Status& /*error*/) {}
};

// Faults for tests and simulators of a bad way to the service; none by default.
struct FleetWorkerFaults {
  std::function<int()> report_copies = {};           // how often the next report is sent: 0 loses it, 2 repeats it
  absl::Duration read_pause = absl::ZeroDuration();  // before each event of the watch is read
};

struct FleetWorkerOptions {
  v1::DeploymentSpec spec;
  std::string worker_id;
  std::string incarnation;  // differs at each start of the process
  int first_rank = 0;
  int num_ranks = 0;
  std::vector<v1::LayerPlacement> initial;  // the layout that the engine starts with, all layers in the spec's order
  bool watch = true;                        // false: another worker of the group hands placements on (Adopt)
  absl::Duration first_backoff = absl::Milliseconds(200);
  absl::Duration max_backoff = absl::Seconds(2);
  // A stream that held for so long was a success: the wait after it is a first one again. One that is answered and ends
  // at once, time after time, is a failure.
  absl::Duration stable_after = absl::Seconds(10);
  // The first wait after the service said that another process took this worker's place, doubled up to ten times it: a
  // copy that was started by mistake must not take it back, and again, for ever.
  absl::Duration superseded_backoff = absl::Seconds(10);
  absl::Duration status_deadline = absl::Seconds(5);
  std::uint64_t jitter_seed = 0;  // differs between workers, so that they do not come back all at once
  std::string user_agent = {};
  FleetWorkerFaults faults = {};
};

// What a worker has done so far.
struct FleetWorkerStats {
  std::uint64_t reports_sent = 0;
  std::uint64_t reports_held_back = 0;  // an interval passed while the stream was not writable; its loads went on
  std::uint64_t acknowledged = 0;       // highest sequence that the service acknowledged
  std::uint64_t connects = 0;
  bool connected = false;  // the service has answered the hello of the stream that is open
  std::uint64_t placements_applied = 0;
  std::uint64_t placements_rejected = 0;
  absl::Duration report_interval = absl::ZeroDuration();
  v1::PlacementVersion applied;
};

// A GPU worker's side of the service, whole: says hello, reports at the interval that the service asks for, watches
// placements, prepares and applies them through the Engine, tells how far it is, and connects again with jittered
// backoff whenever anything breaks, saying hello with what is in force so that a service that lost its state gets it
// back. While the service is away, the placement in force stays in force.
// Where the target names several servers, all of a worker's calls must reach the same one: its channel is made with
// one_server. Thread-safe. Engine, loop and stub must outlive the worker; the worker keeps running until Stop or
// destruction.
//
//   const auto stub = v1::EplbService::NewStub(*NewChannel({.target = "eplb:50051", .one_server = true}));
//   EventLoop loop;
//   MyEngine engine;  // implements Engine: stage weights, switch, count tokens
//   FleetWorker worker({.spec = spec, .worker_id = "worker-3", .incarnation = pod_uid,
//                       .first_rank = 24, .num_ranks = 8, .initial = layers}, *stub, loop, engine);
//   worker.Start();
//
// tests/client/live/minimal_worker_test.cc is that, whole.
class FleetWorker {
 public:
  FleetWorker(FleetWorkerOptions options, v1::EplbService::Stub& stub, EventLoop& loop, Engine& engine);
  // As Stop(false).
  ~FleetWorker();

  void Start();
  // Ends all streams. departing: says goodbye, so that the service forgets the worker at once; otherwise it is waited
  // for, as after a crash. Returns once nothing of the worker runs any more and its calls have ended, so that
  // the channel may go; called on the loop's thread, it does not wait for the calls.
  void Stop(bool departing);

  // For a worker that does not watch: the group has switched to this placement (all layers).
  void Adopt(const v1::PlacementVersion& version, std::vector<v1::LayerPlacement> layers);

  FleetWorkerStats Stats() const;
  // The placement in force, all layers.
  std::vector<v1::LayerPlacement> Layers() const;

 private:
  class Core;
  EventLoop& loop_;
  std::shared_ptr<Core> core_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_FLEET_WORKER_H_
