// Workers of a deployment: hellos, sessions and reports.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/planner/deployment_loop.h"
#include "server/telemetry/names.h"

namespace eplb {
namespace {

absl::Status CheckShape(const WorkerHello& hello) {
  if (!hello.current) {
    return absl::OkStatus();
  }
  const Placement& current = *hello.current;
  const bool fits = current.num_layers() == hello.spec.num_layers() &&
                    current.num_experts() == hello.spec.num_experts() &&
                    current.num_slots() == hello.spec.topology().num_slots();
  if (fits) return absl::OkStatus();
  return FieldErrorStatus("hello.current",
                          absl::StrCat(current.num_layers(), " layers x ", current.num_experts(), " experts x ",
                                       current.num_slots(), " slots"),
                          absl::StrCat("must be of the spec's shape ", hello.spec.num_layers(), " x ",
                                       hello.spec.num_experts(), " x ", hello.spec.topology().num_slots()));
}

// A control that is dated further ahead than clocks differ would outrank all that operators say from now on.
constexpr absl::Duration kMostControlSkew = absl::Minutes(5);
// So long after a deployment came up here workers hand back its control; longer where they may take longer to come.
constexpr absl::Duration kShortestRecovery = absl::Minutes(5);

absl::Status Superseded() { return absl::AbortedError("a newer session or incarnation of the worker took its place"); }

}  // namespace

std::string DeploymentLoop::DifferenceFrom(const WorkerHello& hello) const {
  std::string difference = spec_->DifferenceFrom(hello.spec);
  if (difference.empty() && !(overrides_ == hello.options)) difference = DescribeDifference(overrides_, hello.options);
  return difference;
}

bool DeploymentLoop::AnyOtherLive(std::string_view worker_id) const {
  return std::any_of(registry_.workers().begin(), registry_.workers().end(), [&](const auto& entry) {
    return entry.first != worker_id && entry.second.liveness == Liveness::kLive;
  });
}

absl::Status DeploymentLoop::CheckHello(const WorkerHello& hello) const {
  EPLB_RETURN_IF_ERROR(registry_.Check({.worker_id = hello.worker_id,
                                        .incarnation = hello.incarnation,
                                        .first_rank = hello.first_rank,
                                        .num_ranks = hello.num_ranks}));
  return tracker_.CheckHello(hello.worker_id, hello.applied, hello.current ? &*hello.current : nullptr);
}

absl::Status DeploymentLoop::CheckFurtherHello(const WorkerHello& hello, const SessionState& session) const {
  const WorkerRecord* record = registry_.Find(session.worker_id);
  EPLB_CHECK(record != nullptr);  // as long as its session has not ended
  const WorkerIdentity& identity = record->identity;
  const bool same = hello.worker_id == session.worker_id && hello.incarnation == session.incarnation &&
                    hello.first_rank == identity.first_rank && hello.num_ranks == identity.num_ranks;
  if (same) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("a further hello must be of the worker '", session.worker_id,
                                                    "', incarnation '", session.incarnation,
                                                    "' and ranks of the first; open a new stream for another"));
}

absl::StatusOr<DeploymentLoop::HelloResult> DeploymentLoop::Hello(const WorkerHello& hello,
                                                                  std::shared_ptr<TelemetryListener> listener,
                                                                  const std::shared_ptr<SessionState>& session) {
  FieldErrors errors;
  errors.Merge("hello.worker_id", ValidateWorkerName("", hello.worker_id));
  errors.Merge("hello.incarnation", ValidateWorkerName("", hello.incarnation));
  if (hello.control) errors.Merge("hello.control", ValidateControl(*hello.control, hello.spec.topology().num_gpus()));
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  EPLB_RETURN_IF_ERROR(CheckShape(hello));
  Calls calls;
  HelloResult result;
  bool soon = false;
  absl::Duration silence;
  {
    MutexLock lock(mutex_);
    if (retired_) return absl::UnavailableError("the deployment is being forgotten; say hello again");
    if (session != nullptr && session->ended) return Superseded();
    if (session != nullptr) EPLB_RETURN_IF_ERROR(CheckFurtherHello(hello, *session));
    const std::string difference = DifferenceFrom(hello);
    if (!difference.empty()) {
      if (session != nullptr || AnyOtherLive(hello.worker_id)) {
        return absl::FailedPreconditionError(
            absl::StrCat("deployment '", name(), "' was stated otherwise before: ", difference));
      }
      return HelloResult{.restate = true, .session = nullptr};
    }
    EPLB_RETURN_IF_ERROR(CheckHello(hello));
    TakeHello(hello, calls);
    result.session = session != nullptr ? session : OpenSession(hello, std::move(listener), calls);
    result.session->need_full_hello = tracker_.NeedsContents(hello.worker_id);
    TellWorkerCounts();
    Settle(parts_.clock->Monotonic(), calls);
    soon = replan_;
    silence = parts_.options->liveness.expire_after_intervals * liveness_interval_;
  }
  for (const auto& call : calls) call();
  // A storm of hellos is not to run the deployment once for each: what is new is when this worker falls silent.
  const absl::Duration now = parts_.clock->Monotonic();
  if (soon) RunSoon();
  parts_.scheduler->Schedule(schedule_id_, now + silence);
  return result;
}

void DeploymentLoop::TakeHello(const WorkerHello& hello, Calls& calls) {
  const absl::Duration now = parts_.clock->Monotonic();
  const WorkerIdentity identity{.worker_id = hello.worker_id,
                                .incarnation = hello.incarnation,
                                .first_rank = hello.first_rank,
                                .num_ranks = hello.num_ranks,
                                .user_agent = hello.user_agent};
  const WorkerRecord* former = registry_.Find(hello.worker_id);
  const bool same_ranks = former != nullptr && former->identity.first_rank == hello.first_rank &&
                          former->identity.num_ranks == hello.num_ranks;
  const auto outcome = registry_.Hello(identity, now);
  EPLB_CHECK(outcome.ok());  // it was checked
  for (const std::string& replaced : outcome->replaced) ForgetWorker(replaced, calls);
  if (outcome->former != Liveness::kLive) {
    ++generation_;
    replan_ = true;
    ForgetInfeasible();
    observer_->OnLiveness(hello.worker_id, Liveness::kLive);
  }
  UpdateFold(hello, same_ranks && outcome->kind == WorkerRegistry::HelloKind::kSameIncarnation);
  const std::shared_ptr<const Placement> current =
      hello.current ? std::make_shared<const Placement>(*hello.current) : nullptr;
  tracker_.Hello(hello.worker_id, hello.incarnation, hello.applied, current, now, hello.slot_shares);
  empty_since_ = absl::InfiniteDuration();
  TakeControl(hello, now, calls);
}

// Recovery: what operators told a former server comes back with its workers. A worker is no operator, so it is believed
// only as far as recovery needs it.
void DeploymentLoop::TakeControl(const WorkerHello& hello, absl::Duration now, Calls& calls) {
  if (!hello.control || operator_spoke_ || hello.control->update_time <= control_->update_time) return;
  const LivenessOptions& liveness = parts_.options->liveness;
  const absl::Duration recovery =
      std::max(kShortestRecovery,
               liveness.expire_after_intervals * parts_.options->max_report_interval + liveness.exclude_grace);
  if (now - made_at_ > recovery) return;
  absl::Status status;
  if (hello.control->update_time > parts_.clock->Now() + kMostControlSkew) {
    status = absl::OutOfRangeError(
        absl::StrCat("it is dated more than ", absl::FormatDuration(kMostControlSkew), " ahead of the clock here"));
  } else if (!hello.control->excluded_gpus.empty() || !hello.control->draining_gpus.empty()) {
    status = CheckPlaceable(*hello.control);
  }
  if (status.ok()) return SetControl(*hello.control, calls);
  figures_.last_error = absl::StrCat("the control that worker '", hello.worker_id,
                                     "' handed back was left out: ", std::string(status.message()));
}

void DeploymentLoop::UpdateFold(const WorkerHello& hello, bool same_incarnation) {
  std::shared_ptr<WorkerFold>& fold = folds_[hello.worker_id];
  if (fold == nullptr || !same_incarnation) {
    const FoldShape shape{.num_layers = spec_->num_layers(),
                          .num_experts = spec_->num_experts(),
                          .num_local_slots = NumLocalSlots(spec_->topology(), hello.first_rank, hello.num_ranks)};
    fold = std::make_shared<WorkerFold>(shape, experts_, parts_.options->warmup_reports);
  }
  fold->Heard(parts_.clock->Monotonic());
  fold->SetAppliedVersion(hello.applied);
  if (!hello.current) return;
  fold->SetSlotMap(std::make_shared<const SlotMap>(
      MakeSlotMap(hello.applied, *hello.current, spec_->topology(), hello.first_rank, hello.num_ranks)));
}

std::shared_ptr<SessionState> DeploymentLoop::OpenSession(const WorkerHello& hello,
                                                          std::shared_ptr<TelemetryListener> listener, Calls& calls) {
  EndSession(hello.worker_id, Superseded(), calls);
  auto session = std::make_shared<SessionState>();
  session->worker_id = hello.worker_id;
  session->incarnation = hello.incarnation;
  session->fold = folds_.at(hello.worker_id);
  session->listener = std::move(listener);
  sessions_[hello.worker_id] = session;
  return session;
}

void DeploymentLoop::EndSession(const std::string& worker_id, const absl::Status& status, Calls& calls) {
  const auto it = sessions_.find(worker_id);
  if (it == sessions_.end()) return;
  const std::shared_ptr<SessionState> session = std::move(it->second);
  sessions_.erase(it);
  session->ended = true;
  if (session->listener != nullptr) {
    calls.push_back([listener = session->listener, status] { listener->OnEnded(status); });
  }
}

void DeploymentLoop::ForgetWorker(const std::string& worker_id, Calls& calls) {
  EndSession(worker_id, absl::AbortedError("another worker took over the ranks of this one after it fell silent"),
             calls);
  folds_.erase(worker_id);
  tracker_.Gone(worker_id, /*forget=*/true, parts_.clock->Monotonic());
}

void DeploymentLoop::TellSession(SessionState& session, Calls& calls) const {
  if (session.listener != nullptr) calls.push_back([listener = session.listener] { listener->OnDirectives(); });
}

void DeploymentLoop::TellAllSessions(Calls& calls) {
  for (const auto& [id, session] : sessions_) TellSession(*session, calls);
}

absl::StatusOr<ReportResult> DeploymentLoop::Report(SessionState& session, const LoadReportView& report) {
  if (session.ended) return Superseded();
  const absl::Duration now = parts_.clock->Monotonic();
  WorkerFold::Result folded;
  const LoadShedder::Admission admission = parts_.shedder->Admit(now);
  if (admission != LoadShedder::Admission::kTaken) {
    folded = session.fold->Skip(report, ReportOutcome::kShed, now);
  } else {
    EPLB_ASSIGN_OR_RETURN(folded, session.fold->Fold(report, now));
    if (folded.step == WorkerFold::Step::kNeedsPlacement) {
      EPLB_ASSIGN_OR_RETURN(folded, FoldUnderOtherPlacement(session, report, folded.version, now));
    }
  }
  if (folded.newly_lost > 0) observer_->OnLostReports(folded.newly_lost);
  std::optional<absl::Duration> lag;
  if (report.end_time) lag = std::max(absl::ZeroDuration(), parts_.clock->Now() - *report.end_time);
  observer_->OnReport(folded.outcome, lag);
  reported_ = true;
  if (!tick_armed_) ArmTick(now);
  if (admission == LoadShedder::Admission::kRefused) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "more reports come in than telemetry.max_reports_per_second, though workers were asked for one in ",
        absl::FormatDuration(parts_.shedder->interval())));
  }
  return ReportResult{.outcome = folded.outcome, .acked_sequence = folded.acked_sequence};
}

absl::StatusOr<WorkerFold::Result> DeploymentLoop::FoldUnderOtherPlacement(SessionState& session,
                                                                           const LoadReportView& report,
                                                                           PlacementVersion version,
                                                                           absl::Duration now) {
  std::shared_ptr<const SlotMap> map;
  {
    MutexLock lock(mutex_);
    const WorkerRecord* record = registry_.Find(session.worker_id);
    const std::optional<VersionedPlacement> contents = tracker_.Contents(version);
    if (record != nullptr && contents) {
      map = std::make_shared<const SlotMap>(MakeSlotMap(version, *contents->placement, spec_->topology(),
                                                        record->identity.first_rank, record->identity.num_ranks));
    }
  }
  if (session.ended) return Superseded();
  if (map != nullptr) {
    session.fold->SetSlotMap(std::move(map));
    EPLB_ASSIGN_OR_RETURN(const WorkerFold::Result folded, session.fold->Fold(report, now));
    if (folded.step == WorkerFold::Step::kDone) return folded;
  }
  if (!session.need_full_hello.exchange(true) && session.listener != nullptr) session.listener->OnDirectives();
  return session.fold->Skip(report, ReportOutcome::kUnknownPlacement, now);
}

WorkerDirectives DeploymentLoop::Directives(const SessionState& session) const {
  const WorkerFold::Counters counters = session.fold->counters();
  WorkerDirectives directives{.report_interval = parts_.shedder->interval(),
                              .acked_sequence = counters.acked_sequence,
                              .need_full_hello = session.need_full_hello};
  if (parts_.shedder->overloaded()) directives.dropped_reports = counters.dropped;
  MutexLock lock(mutex_);
  directives.draining = draining_;
  directives.reconnect_delay = drain_delay_;
  directives.control = control_;
  return directives;
}

void DeploymentLoop::CloseSession(const std::shared_ptr<SessionState>& session, bool departed) {
  Calls calls;
  {
    MutexLock lock(mutex_);
    if (session->ended.exchange(true)) return;
    sessions_.erase(session->worker_id);
    if (departed) {
      const absl::Duration now = parts_.clock->Monotonic();
      registry_.Remove(session->worker_id, now);
      folds_.erase(session->worker_id);
      tracker_.Gone(session->worker_id, /*forget=*/true, now);
      ++generation_;
      TellWorkerCounts();
      Settle(now, calls);
    }
  }
  for (const auto& call : calls) call();
  if (departed) RunSoon();
}

}  // namespace eplb
