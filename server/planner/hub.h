#ifndef EPLB_SERVER_PLANNER_HUB_H_
#define EPLB_SERVER_PLANNER_HUB_H_

#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/worker_pool.h"
#include "server/placement/watch_event.h"
#include "server/planner/hub_observer.h"
#include "server/planner/hub_options.h"
#include "server/planner/hub_types.h"

namespace eplb {

// The live service behind the transport: telemetry in, placements out, with no transport types.
//
// It holds soft state only: workers tell it everything again in their hellos. A deployment is planned once all of its
// ranks were claimed, or given up, and the newest version told of is known by its contents.
//
// A worker that falls silent holds nothing up where one subscriber carries the placements: from its last report on, for
// expire_after_intervals intervals and exclude_grace, its last loads stand for those to come; then its ranks are
// planned around. Two things do wait, for as long at most: where all ranks switch at once nothing is published while
// one of them is silent, since it may be alive and would route by another placement than the rest; and a silent
// subscriber gets nothing. What was published is waited for until apply_timeout or prepare_timeout, whoever died. Who
// does not apply what is in force within apply_timeout is named and sent it again, for as long as it lives.
//
// Operators command, workers remember: a hello hands back the control that a former server told its worker of, so that
// a pause outlives the server. It counts only until an operator spoke to this server, in the first minutes of the
// deployment here, not from the future, and not where the experts would not fit; otherwise a worker could command.
//
// All classes here are thread-safe. Nothing blocks but RebalanceNow, which plans on the calling thread. Listeners are
// called without any lock of the hub held, so they may call back into it; one that was handed over may be called once
// more after its session or watch was closed, which is why it is shared.

// Told that a telemetry session has something new. Implemented by the transport.
class TelemetryListener {
 public:
  virtual ~TelemetryListener() = default;

  // Directives() changed in more than acked_sequence. Several changes may come as one call.
  virtual void OnDirectives() = 0;
  // The session is over: ABORTED where a newer session or incarnation of the worker took its place, or where the
  // deployment was stated anew. Close() is not needed after it.
  virtual void OnEnded(const absl::Status& status) = 0;
};

// One worker's telemetry stream.
class TelemetrySession {
 public:
  virtual ~TelemetrySession() = default;  // closes it, as broken off

  // Folds one report; the hot path: takes no lock that other workers of the deployment take, allocates nothing.
  // INVALID_ARGUMENT names the field that breaks its rule (nothing is folded, the session stays open), ABORTED where
  // the session is over.
  virtual absl::StatusOr<ReportResult> Report(const LoadReportView& report) = 0;
  // A further hello. FAILED_PRECONDITION where it is another worker's, incarnation's or deployment's, else as
  // Hub::OpenWorker.
  virtual absl::Status Hello(const WorkerHello& hello) = 0;
  // What the worker is to be told: after opening, at each OnDirectives, and now and then for acked_sequence.
  virtual WorkerDirectives Directives() const = 0;
  // departed: the worker said goodbye (its stream ended cleanly): it is forgotten at once and its ranks are free.
  // Otherwise it is waited for until it expires. Idempotent.
  virtual void Close(bool departed) = 0;
};

// Told that a watch has something to read. Implemented by the transport.
class WatchListener {
 public:
  virtual ~WatchListener() = default;

  // NextEvent() has one. Called at least once after it last returned none; may be called in vain.
  virtual void OnEvent() = 0;
  // The watch is over: ABORTED where a newer watch of the worker took its place, NOT_FOUND where the deployment was
  // forgotten.
  virtual void OnEnded(const absl::Status& status) = 0;
};

// One watcher's cursor. It holds where the watcher is, never a queue: a watcher that stops reading costs no memory, and
// when it reads again gets one event from its own base to the newest.
class PlacementWatch {
 public:
  virtual ~PlacementWatch() = default;  // closes it

  // The next event, which the caller must deliver, in order; none where nothing is new (OnEvent tells). Ask again only
  // when the event before was written: what changes in between is made into one. A worker whose APPLIED got lost may be
  // sent what it has in force again: it answers APPLIED again.
  virtual std::optional<WatchEvent> NextEvent() = 0;
  // The deployment's spec, for full placements and layer numbers; never null.
  virtual std::shared_ptr<const DeploymentSpec> spec() const = 0;
  // Idempotent.
  virtual void Close() = 0;
};

// See the top of this file.
class Hub {
 public:
  virtual ~Hub() = default;

  // Takes a hello in. RESOURCE_EXHAUSTED past a bound; UNAVAILABLE once the hub drains; INVALID_ARGUMENT names a field;
  // FAILED_PRECONDITION names the difference from what others stated: the spec, a rank that another live worker reports
  // for, other contents of the same placement version. After an error nothing is changed.
  virtual absl::StatusOr<std::unique_ptr<TelemetrySession>> OpenWorker(const WorkerHello& hello,
                                                                       std::shared_ptr<TelemetryListener> listener) = 0;

  // Opens a watch; its first event may be there at once without OnEvent. NOT_FOUND where no worker told of the
  // deployment, or for a worker that has not said hello (the caller comes again); ABORTED for a former incarnation;
  // FAILED_PRECONDITION where another worker is the one subscriber; RESOURCE_EXHAUSTED past a bound; UNAVAILABLE once
  // the hub drains.
  virtual absl::StatusOr<std::unique_ptr<PlacementWatch>> Watch(const WatchRequest& request,
                                                                std::shared_ptr<WatchListener> listener) = 0;

  // Takes in how far a worker is. Idempotent; older than what is known is ignored. NOT_FOUND for an unknown deployment
  // or worker, ABORTED for a former incarnation, INVALID_ARGUMENT for kUnknown or an unset version.
  virtual absl::Status ReportStatus(std::string_view deployment, const PlacementStatus& status) = 0;

  // NOT_FOUND where no worker told of the deployment.
  virtual absl::StatusOr<DeploymentView> GetPlacement(std::string_view deployment) const = 0;

  // INVALID_ARGUMENT for a negative page size or a token that no page gave.
  virtual absl::StatusOr<ListPage> ListDeployments(const ListRequest& request) const = 0;

  // Changes a deployment's control, or with validate_only shows what it would be. NOT_FOUND, or as ApplyControlChange;
  // FAILED_PRECONDITION, naming how many experts are left without a place, where the GPUs taken away leave too few
  // slots.
  virtual absl::StatusOr<DeploymentControl> UpdateDeployment(std::string_view deployment, const ControlChange& change,
                                                             bool validate_only) = 0;

  // Plans from the live window on the calling thread, which should be one of the planning pool. Where nothing is
  // published the result says why (plan.unchanged). NOT_FOUND; FAILED_PRECONDITION where there are no loads yet, or the
  // usable slots cannot hold all experts; ABORTED where the deployment kept changing meanwhile; CANCELLED as the
  // request says.
  virtual absl::StatusOr<RebalanceNowResult> RebalanceNow(const RebalanceNowRequest& request) = 0;

  // Runs every deployment that is due, on the calling thread, in order of their due times: what tests step by hand.
  // Returns how many were run. Not to be mixed with Start.
  virtual int RunDue() = 0;
  // When RunDue next has something to do, on the clock's monotonic scale; InfiniteDuration: never.
  virtual absl::Duration NextDue() const = 0;

  // Runs due deployments on the pool, each at most once at a time, from a timer thread of the hub's own, which an idle
  // hub does not wake. Stop (or the destructor) ends it and waits for what runs. The pool must outlive it.
  virtual void Start(WorkerPool& pool) = 0;
  virtual void Stop() = 0;

  // Before shutdown: publishes nothing more, refuses new sessions and watches with UNAVAILABLE, and tells the open ones
  // to go elsewhere once they are ended, within the delay. What was published stays: its workers finish it, and their
  // next hello tells the next replica.
  virtual void Drain(absl::Duration reconnect_delay) = 0;
};

// Nothing is owned: clock, planner and observer must outlive the hub, and the hub its sessions and watches; a null
// observer observes nothing.
std::unique_ptr<Hub> CreateHub(const HubOptions& options, const Clock& clock, const TickPlanner& planner,
                               HubObserver* observer);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_HUB_H_
