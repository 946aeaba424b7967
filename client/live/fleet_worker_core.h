#ifndef EPLB_CLIENT_LIVE_FLEET_WORKER_CORE_H_
#define EPLB_CLIENT_LIVE_FLEET_WORKER_CORE_H_

#include <memory>
#include <optional>
#include <vector>

#include "client/live/call_count.h"
#include "client/live/comeback.h"
#include "client/live/fleet_worker.h"
#include "client/live/held_placement.h"
#include "client/live/reconnect_delay.h"
#include "client/live/stream_calls.h"

namespace eplb {

// The state machine behind FleetWorker. Everything runs on the loop's thread. Callbacks of calls that were replaced or
// cancelled are told apart by the call itself: only those of the current one count.
class FleetWorker::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(FleetWorkerOptions options, v1::EplbService::Stub& stub, EventLoop& loop, Engine& engine);

  void Start();
  void Stop(bool departing);
  // Breaks off what Stop left to end by itself.
  void BreakOff();
  // Of streams and status reports; any thread.
  CallCount& calls() { return *calls_; }
  void Adopt(const v1::PlacementVersion& version, std::vector<v1::LayerPlacement> layers);
  FleetWorkerStats Stats() const;
  const std::vector<v1::LayerPlacement>& layers() const { return held_.layers(); }

 private:
  // A change on its way.
  struct Pending {
    std::shared_ptr<const PlacementChange> change;
    bool on_commit = false;
    bool prepared = false;
    bool committed = false;
    absl::Duration received = absl::ZeroDuration();  // monotonic
  };

  // Telemetry.
  void ConnectTelemetry();
  void OnTelemetryEnd(const absl::Status& status);
  void OnDirectives(const v1::StreamTelemetryResponse& response);
  void OnWritable();
  void SendHello(bool with_current);
  void ScheduleReport();
  bool SendReport();
  // Placements.
  void ConnectWatch();
  void OnWatchEnd(const absl::Status& status);
  void OnWatchEvent(const v1::WatchPlacementsResponse& event);
  void OnUpdate(const v1::PlacementVersion& version, const v1::PlacementUpdate& update);
  void OnPrepared(const v1::PlacementVersion& version, const absl::Status& status);
  void OnCommit(const v1::PlacementVersion& version);
  void DropPending();
  void Switch();
  // Status reports: only the newest counts, and it is told until the service has it.
  void Tell(const v1::PlacementVersion& version, v1::PlacementState state, const absl::Status& why = absl::OkStatus(),
            v1::RejectionReason reason = v1::REJECTION_REASON_UNSPECIFIED);
  // The same of a change, with how long it took and what it fetched.
  void TellOf(const Pending& change, v1::PlacementState state, const absl::Status& why = absl::OkStatus(),
              v1::RejectionReason reason = v1::REJECTION_REASON_UNSPECIFIED);
  void TellPending();
  void QueueStatus(v1::ReportPlacementStatusRequest request);
  v1::ReportPlacementStatusRequest StatusOf(const v1::PlacementVersion& version, v1::PlacementState state,
                                            const absl::Status& why, v1::RejectionReason reason) const;
  void SendStatus();

  void RunAfter(absl::Duration delay, void (Core::*what)());

  const FleetWorkerOptions options_;
  v1::EplbService::Stub& stub_;
  EventLoop& loop_;
  Engine& engine_;
  const std::shared_ptr<CallCount> calls_ = std::make_shared<CallCount>();  // shared with the calls
  bool stopped_ = false;

  HeldPlacement held_;
  std::optional<v1::DeploymentControl> control_;
  std::optional<Pending> pending_;

  std::shared_ptr<TelemetryCall> telemetry_;
  Comeback telemetry_comeback_;
  bool greeted_ = false;                                // the service answered this stream's hello
  bool hello_owed_ = false;                             // a hello with the placement could not be sent yet
  std::optional<v1::StreamTelemetryRequest> repeated_;  // FleetWorkerFaults: to be sent once more
  bool report_scheduled_ = false;
  absl::Duration interval_ = absl::ZeroDuration();
  std::uint64_t sequence_ = 0;

  std::shared_ptr<WatchCall> watch_;
  Comeback watch_comeback_;
  bool watch_scheduled_ = false;

  std::optional<v1::ReportPlacementStatusRequest> status_;  // not yet taken in by the service
  bool status_in_flight_ = false;
  std::uint64_t status_number_ = 0;
  ReconnectDelay status_delay_;

  FleetWorkerStats stats_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_FLEET_WORKER_CORE_H_
