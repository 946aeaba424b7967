// FleetWorker::Core: placements taken over, and how far that is.

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/live/fleet_worker_core.h"
#include "server/base/clock.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxErrorDetailBytes = 1024;

v1::RejectionReason ReasonOf(const absl::Status& check) {
  switch (check.code()) {
    case absl::StatusCode::kFailedPrecondition:
      return v1::REJECTION_REASON_BASE_MISMATCH;
    case absl::StatusCode::kOutOfRange:
      return v1::REJECTION_REASON_STALE;
    case absl::StatusCode::kResourceExhausted:
      return v1::REJECTION_REASON_OUT_OF_MEMORY;
    case absl::StatusCode::kInvalidArgument:
      return v1::REJECTION_REASON_INVALID_PLACEMENT;
    default:
      return v1::REJECTION_REASON_TRANSFER_FAILED;
  }
}

bool IsSame(const v1::PlacementVersion& a, const v1::PlacementVersion& b) { return CompareVersions(a, b) == 0; }

}  // namespace

void FleetWorker::Core::ConnectWatch() {
  watch_scheduled_ = false;
  v1::WatchPlacementsRequest request;
  request.set_deployment(options_.spec.deployment());
  request.set_worker_id(options_.worker_id);
  request.set_incarnation(options_.incarnation);
  if (!IsUnset(held_.version())) *request.mutable_resume_after() = held_.version();
  calls_->Add();
  watch_ = WatchCall::Start(stub_, loop_, std::move(request),
                            {.on_event =
                                 [weak = weak_from_this()](const v1::WatchPlacementsResponse& event) {
                                   const std::shared_ptr<Core> self = weak.lock();
                                   if (self != nullptr && !self->stopped_) self->OnWatchEvent(event);
                                 },
                             .on_end =
                                 [weak = weak_from_this(), calls = calls_](const absl::Status& status) {
                                   calls->Done();
                                   const std::shared_ptr<Core> self = weak.lock();
                                   if (self != nullptr && !self->stopped_) self->OnWatchEnd(status);
                                 }},
                            options_.faults.read_pause);
}

void FleetWorker::Core::OnWatchEnd(const absl::Status& status) {
  watch_ = nullptr;
  // A service that just started knows the deployment only after a hello: coming again is part of the protocol.
  if (status.code() != absl::StatusCode::kNotFound) engine_.OnError(status);
  watch_scheduled_ = true;
  RunAfter(watch_comeback_.Next(status), &Core::ConnectWatch);
}

void FleetWorker::Core::OnWatchEvent(const v1::WatchPlacementsResponse& event) {
  watch_comeback_.Answered();
  switch (event.event_case()) {
    case v1::WatchPlacementsResponse::kPlacement:
      OnUpdate(event.version(), event.placement());
      break;
    case v1::WatchPlacementsResponse::kCommit:
      OnCommit(event.version());
      break;
    case v1::WatchPlacementsResponse::kAbort:
      if (pending_ && IsSame(pending_->change->version, event.version())) {
        DropPending();
        Tell(event.version(), v1::PLACEMENT_STATE_REJECTED, absl::AbortedError(event.abort().detail()),
             v1::REJECTION_REASON_ABORTED);
      }
      break;
    case v1::WatchPlacementsResponse::kDraining:
      // Kept until the service ends it, as the telemetry stream.
      watch_comeback_.Draining(ReadDuration(event.draining().reconnect_delay()));
      break;
    case v1::WatchPlacementsResponse::kBookmark:
    case v1::WatchPlacementsResponse::EVENT_NOT_SET:
      break;
  }
}

void FleetWorker::Core::OnUpdate(const v1::PlacementVersion& version, const v1::PlacementUpdate& update) {
  if (IsSame(version, held_.version())) {
    Tell(version, v1::PLACEMENT_STATE_APPLIED);  // the service missed it
    return;
  }
  if (pending_ && IsSame(version, pending_->change->version)) {
    // Equal versions have equal contents: what is staged is what was sent. A service that started after the version was
    // committed elsewhere sends it to be applied at once.
    if (update.activation() == v1::ACTIVATION_IMMEDIATE) pending_->on_commit = false;
    if (pending_->prepared && !pending_->on_commit) {
      Switch();
    } else {
      TellPending();
    }
    return;
  }
  std::vector<v1::LayerPlacement> layers(update.layers().begin(), update.layers().end());
  const v1::PlacementVersion* base = update.has_base() ? &update.base() : nullptr;
  const absl::Status check = held_.Check(version, base, layers);
  if (!check.ok()) {
    ++stats_.placements_rejected;
    Tell(version, v1::PLACEMENT_STATE_REJECTED, check, ReasonOf(check));
    return;
  }
  if (pending_) DropPending();
  auto change = std::make_shared<PlacementChange>();
  change->version = version;
  if (base != nullptr) change->base = *base;
  change->layers = std::move(layers);
  change->transfers.assign(update.transfers().begin(), update.transfers().end());
  pending_ = Pending{.change = change,
                     .on_commit = update.activation() == v1::ACTIVATION_ON_COMMIT,
                     .received = RealClock().Monotonic()};
  TellPending();
  engine_.Prepare(change, [weak = weak_from_this(), loop = loop_.poster(), version](const absl::Status& status) {
    loop.Post([weak, version, status] {
      const std::shared_ptr<Core> self = weak.lock();
      if (self != nullptr && !self->stopped_) self->OnPrepared(version, status);
    });
  });
}

void FleetWorker::Core::OnPrepared(const v1::PlacementVersion& version, const absl::Status& status) {
  if (!pending_ || !IsSame(pending_->change->version, version)) return;  // dropped meanwhile
  if (!status.ok()) {
    ++stats_.placements_rejected;
    const Pending failed = *std::exchange(pending_, std::nullopt);
    TellOf(failed, v1::PLACEMENT_STATE_REJECTED, status, ReasonOf(status));
    return;
  }
  pending_->prepared = true;
  if (!pending_->on_commit || pending_->committed) {
    Switch();
  } else {
    TellPending();
  }
}

void FleetWorker::Core::OnCommit(const v1::PlacementVersion& version) {
  if (IsSame(version, held_.version())) {
    Tell(version, v1::PLACEMENT_STATE_APPLIED);
    return;
  }
  if (!pending_ || !IsSame(pending_->change->version, version)) return;
  pending_->committed = true;
  if (pending_->prepared) Switch();
}

void FleetWorker::Core::TellPending() {
  TellOf(*pending_, pending_->prepared ? v1::PLACEMENT_STATE_PREPARED : v1::PLACEMENT_STATE_ACCEPTED);
}

void FleetWorker::Core::DropPending() {
  const std::shared_ptr<const PlacementChange> change = pending_->change;
  pending_.reset();
  engine_.Discard(*change);
}

void FleetWorker::Core::Switch() {
  SendReport();  // what was counted until now was routed by the former placement
  const Pending switched = *std::exchange(pending_, std::nullopt);
  const std::shared_ptr<const PlacementChange>& change = switched.change;
  engine_.Activate(*change);
  held_.Apply(change->version, IsUnset(change->base) ? nullptr : &change->base, change->layers);
  ++stats_.placements_applied;
  TellOf(switched, v1::PLACEMENT_STATE_APPLIED);
}

void FleetWorker::Core::Adopt(const v1::PlacementVersion& version, std::vector<v1::LayerPlacement> layers) {
  if (stopped_ || CompareVersions(version, held_.version()) <= 0) return;
  SendReport();
  held_.Adopt(version, std::move(layers));
}

void FleetWorker::Core::Tell(const v1::PlacementVersion& version, v1::PlacementState state, const absl::Status& why,
                             v1::RejectionReason reason) {
  QueueStatus(StatusOf(version, state, why, reason));
}

void FleetWorker::Core::TellOf(const Pending& change, v1::PlacementState state, const absl::Status& why,
                               v1::RejectionReason reason) {
  v1::ReportPlacementStatusRequest request = StatusOf(change.change->version, state, why, reason);
  WriteDuration(RealClock().Monotonic() - change.received, *request.mutable_elapsed());
  request.set_fetched_bytes(engine_.FetchedBytes(*change.change));
  QueueStatus(std::move(request));
}

v1::ReportPlacementStatusRequest FleetWorker::Core::StatusOf(const v1::PlacementVersion& version,
                                                             v1::PlacementState state, const absl::Status& why,
                                                             v1::RejectionReason reason) const {
  v1::ReportPlacementStatusRequest request;
  request.set_deployment(options_.spec.deployment());
  request.set_worker_id(options_.worker_id);
  request.set_incarnation(options_.incarnation);
  *request.mutable_version() = version;
  request.set_state(state);
  request.set_rejection_reason(reason);
  if (!why.ok()) request.set_error_detail(std::string(why.message().substr(0, kMaxErrorDetailBytes)));
  return request;
}

void FleetWorker::Core::QueueStatus(v1::ReportPlacementStatusRequest request) {
  status_ = std::move(request);
  ++status_number_;
  if (!status_in_flight_) SendStatus();
}

void FleetWorker::Core::SendStatus() {
  if (!status_ || status_in_flight_) return;
  status_in_flight_ = true;
  calls_->Add();
  StartStatusReport(stub_, loop_, *status_, options_.status_deadline,
                    [weak = weak_from_this(), calls = calls_, number = status_number_](const absl::Status& status) {
                      calls->Done();
                      const std::shared_ptr<Core> self = weak.lock();
                      if (self == nullptr || self->stopped_) return;
                      self->status_in_flight_ = false;
                      const bool newest = number == self->status_number_;
                      // ABORTED and INVALID_ARGUMENT would be answered the same again.
                      const bool final = status.ok() || status.code() == absl::StatusCode::kAborted ||
                                         status.code() == absl::StatusCode::kInvalidArgument;
                      if (final) self->status_delay_.Reset();
                      if (final && newest) self->status_.reset();
                      if (!status.ok()) self->engine_.OnError(status);
                      if (!self->status_) return;
                      self->RunAfter(final ? absl::ZeroDuration() : self->status_delay_.Next(), &Core::SendStatus);
                    });
}

}  // namespace eplb
