// FleetWorker::Core: hellos, reports and what the service answers.

#include <utility>

#include "client/live/fleet_worker_core.h"
#include "server/base/clock.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

Comeback::Options ComebackOptionsOf(const FleetWorkerOptions& options) {
  return {.first_backoff = options.first_backoff,
          .max_backoff = options.max_backoff,
          .stable_after = options.stable_after,
          .superseded_backoff = options.superseded_backoff};
}

}  // namespace

FleetWorker::Core::Core(FleetWorkerOptions options, v1::EplbService::Stub& stub, EventLoop& loop, Engine& engine)
    : options_(std::move(options)),
      stub_(stub),
      loop_(loop),
      engine_(engine),
      held_(options_.initial),
      telemetry_comeback_(ComebackOptionsOf(options_), options_.jitter_seed, RealClock()),
      watch_comeback_(ComebackOptionsOf(options_), options_.jitter_seed + 1, RealClock()),
      status_delay_(options_.first_backoff, options_.max_backoff, options_.jitter_seed + 2) {}

void FleetWorker::Core::Start() { ConnectTelemetry(); }

void FleetWorker::Core::Stop(bool departing) {
  if (stopped_) return;
  stopped_ = true;
  if (watch_ != nullptr) watch_->Cancel();
  if (telemetry_ != nullptr) departing ? telemetry_->Finish() : telemetry_->Cancel();
  if (pending_) DropPending();
}

void FleetWorker::Core::BreakOff() {
  if (telemetry_ != nullptr) telemetry_->Cancel();
  if (watch_ != nullptr) watch_->Cancel();
}

void FleetWorker::Core::RunAfter(absl::Duration delay, void (Core::*what)()) {
  loop_.PostAfter(delay, [weak = weak_from_this(), what] {
    const std::shared_ptr<Core> self = weak.lock();
    if (self != nullptr && !self->stopped_) (self.get()->*what)();
  });
}

void FleetWorker::Core::ConnectTelemetry() {
  greeted_ = false;
  hello_owed_ = false;
  repeated_.reset();
  ++stats_.connects;
  // Each callback holds the number of its stream: what a stream says after another took its place does not count.
  const std::uint64_t number = stats_.connects;
  const auto current = [weak = weak_from_this(), number]() -> std::shared_ptr<Core> {
    std::shared_ptr<Core> self = weak.lock();
    return self != nullptr && !self->stopped_ && self->stats_.connects == number ? self : nullptr;
  };
  calls_->Add();
  telemetry_ = TelemetryCall::Start(stub_, loop_,
                                    {.on_response =
                                         [current](const v1::StreamTelemetryResponse& response) {
                                           if (const auto self = current()) self->OnDirectives(response);
                                         },
                                     .on_writable =
                                         [current] {
                                           if (const auto self = current()) self->OnWritable();
                                         },
                                     .on_end =
                                         [current, calls = calls_](const absl::Status& status) {
                                           calls->Done();
                                           if (const auto self = current()) self->OnTelemetryEnd(status);
                                         }});
  SendHello(IsUnset(held_.version()));
}

void FleetWorker::Core::OnTelemetryEnd(const absl::Status& status) {
  telemetry_ = nullptr;
  greeted_ = false;
  engine_.OnError(status.ok() ? absl::UnavailableError("the service ended the telemetry stream") : status);
  RunAfter(telemetry_comeback_.Next(status), &Core::ConnectTelemetry);
}

void FleetWorker::Core::OnWritable() {
  if (hello_owed_) {
    SendHello(true);
  } else if (repeated_) {
    telemetry_->Send(*std::exchange(repeated_, std::nullopt));
  }
}

void FleetWorker::Core::SendHello(bool with_current) {
  v1::StreamTelemetryRequest request;
  v1::TelemetryHello& hello = *request.mutable_hello();
  *hello.mutable_spec() = options_.spec;
  hello.set_worker_id(options_.worker_id);
  hello.set_incarnation(options_.incarnation);
  hello.set_first_rank(options_.first_rank);
  hello.set_num_ranks(options_.num_ranks);
  hello.set_user_agent(options_.user_agent);
  if (!IsUnset(held_.version())) *hello.mutable_applied() = held_.version();
  if (with_current) hello.mutable_current()->Assign(held_.layers().begin(), held_.layers().end());
  if (control_) *hello.mutable_control() = *control_;
  hello_owed_ = !telemetry_->Send(std::move(request));
}

void FleetWorker::Core::OnDirectives(const v1::StreamTelemetryResponse& response) {
  if (!greeted_) {
    greeted_ = true;
    telemetry_comeback_.Answered();
    if (options_.watch && watch_ == nullptr && !watch_scheduled_) ConnectWatch();
    // A service that just started does not know what is staged here.
    if (pending_ && (!status_ || CompareVersions(status_->version(), pending_->change->version) == 0)) TellPending();
    if (status_ && !status_in_flight_) SendStatus();
  }
  stats_.acknowledged = std::max<std::uint64_t>(stats_.acknowledged, response.acked_sequence());
  if (response.has_control()) control_ = response.control();
  if (response.has_report_interval()) {
    interval_ = ReadDuration(response.report_interval());
    ScheduleReport();
  }
  if (response.need_full_hello()) SendHello(true);
  // The stream is kept until the service ends it: whoever leaves before finds the same service, over the same
  // connection.
  if (response.draining()) telemetry_comeback_.Draining(ReadDuration(response.reconnect_delay()));
}

void FleetWorker::Core::ScheduleReport() {
  if (report_scheduled_ || interval_ <= absl::ZeroDuration()) return;
  report_scheduled_ = true;
  loop_.PostAfter(interval_, [weak = weak_from_this()] {
    const std::shared_ptr<Core> self = weak.lock();
    if (self == nullptr || self->stopped_) return;
    self->report_scheduled_ = false;
    if (self->greeted_ && !self->SendReport()) ++self->stats_.reports_held_back;
    self->ScheduleReport();
  });
}

bool FleetWorker::Core::SendReport() {
  // A stream that is still busy with the former report says that the service, or the way to it, is slower than the
  // interval: the loads stay with the engine and go with the next report, so that nothing is queued or lost.
  if (telemetry_ == nullptr || !telemetry_->writable()) return false;
  v1::StreamTelemetryRequest request;
  v1::LoadReport& report = *request.mutable_report();
  if (!engine_.TakeLoads(report)) return true;
  report.set_sequence(++sequence_);
  if (!IsUnset(held_.version())) *report.mutable_placement() = held_.version();
  const int copies = options_.faults.report_copies ? options_.faults.report_copies() : 1;
  if (copies == 0) return true;
  if (copies > 1) repeated_ = request;
  const bool sent = telemetry_->Send(std::move(request));
  if (sent) ++stats_.reports_sent;
  return sent;
}

FleetWorkerStats FleetWorker::Core::Stats() const {
  FleetWorkerStats stats = stats_;
  stats.connected = greeted_;
  stats.report_interval = interval_;
  stats.applied = held_.version();
  return stats;
}

}  // namespace eplb
