#include "tests/support/model_worker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/telemetry/slot_map.h"

namespace eplb::testing {
namespace {

// The layers of `from` after all transfers, or what is wrong with one of the steps.
absl::StatusOr<Placement> ApplyTransfers(const Placement& from, const PlacementUpdate& update) {
  std::vector<std::int32_t> cells(from.physical_to_logical().begin(), from.physical_to_logical().end());
  const auto width = static_cast<std::size_t>(from.num_slots());
  const std::vector<Transfer>& transfers = *update.transfers;
  for (std::size_t i = 0; i < transfers.size();) {
    const std::vector<std::int32_t> before = cells;
    const std::int32_t step = transfers[i].step;
    for (; i < transfers.size() && transfers[i].step == step; ++i) {
      const Transfer& transfer = transfers[i];
      const std::size_t row = static_cast<std::size_t>(transfer.layer) * width;
      const std::size_t source = row + static_cast<std::size_t>(transfer.source_slot);
      const bool from_checkpoint = transfer.source_slot == kEmptySlot;
      if (!from_checkpoint && before[source] != transfer.expert)
        return absl::InternalError(absl::StrCat("step ", step, ": wrong source"));
      cells[row + static_cast<std::size_t>(transfer.target_slot)] = transfer.expert;
    }
    absl::StatusOr<Placement> valid = Placement::Create(from.num_layers(), from.num_experts(), from.num_slots(), cells);
    if (!valid.ok()) return absl::InternalError(absl::StrCat("step ", step, ": ", valid.status().ToString()));
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {  // slots that are left empty need no transfer
    if (update.target.placement->physical_to_logical()[i] == kEmptySlot) cells[i] = kEmptySlot;
  }
  return Placement::Create(from.num_layers(), from.num_experts(), from.num_slots(), std::move(cells));
}

}  // namespace

class ModelWorker::Listener final : public TelemetryListener, public WatchListener {
 public:
  void OnDirectives() override {}
  void OnEvent() override {}
  void OnEnded(const absl::Status& /*status*/) override {}
};

ModelWorker::ModelWorker(Options options, Placement initial)
    : options_(std::move(options)), initial_(initial), placement_(std::move(initial)) {}

WorkerHello ModelWorker::MakeHello(bool with_contents) const {
  WorkerHello hello{.spec = options_.spec};
  hello.worker_id = options_.worker_id;
  hello.incarnation = absl::StrCat(options_.worker_id, "-", starts_);
  hello.first_rank = options_.first_rank;
  hello.num_ranks = options_.num_ranks;
  hello.applied = applied_;
  if (with_contents) hello.current = placement_;
  if (control_ != nullptr && control_->update_time != absl::InfinitePast()) hello.control = *control_;
  return hello;
}

absl::Status ModelWorker::Connect(Hub& hub) {
  Disconnect();
  hub_ = &hub;
  const bool with_contents = options_.hello_with_contents || !applied_.is_set();
  absl::StatusOr<std::unique_ptr<TelemetrySession>> session =
      hub.OpenWorker(MakeHello(with_contents), std::make_shared<Listener>());
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  if (absl::Status answered = AnswerDirectives(); !answered.ok()) return answered;
  if (!options_.watches) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<PlacementWatch>> watch = hub.Watch({.deployment = options_.spec.name(),
                                                                     .worker_id = options_.worker_id,
                                                                     .incarnation = MakeHello(false).incarnation,
                                                                     .resume_after = applied_},
                                                                    std::make_shared<Listener>());
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  return absl::OkStatus();
}

void ModelWorker::Disconnect() {
  hub_ = nullptr;
  watch_.reset();
  session_.reset();
  to_do_.reset();
  to_commit_.reset();
}

void ModelWorker::Restart() {
  Disconnect();
  ++starts_;
  applied_ = {};
  placement_ = initial_;
  sequence_ = 0;
  staged_.clear();
}

absl::Status ModelWorker::AnswerDirectives() {
  const WorkerDirectives directives = session_->Directives();
  control_ = directives.control;
  return directives.need_full_hello ? session_->Hello(MakeHello(true)) : absl::OkStatus();
}

absl::StatusOr<ReportResult> ModelWorker::Report(std::uint64_t tokens_per_slot) {
  const int slots = NumLocalSlots(options_.spec.topology(), options_.first_rank, options_.num_ranks);
  const std::vector<std::uint64_t> tokens(
      static_cast<std::size_t>(slots) * static_cast<std::size_t>(options_.spec.num_layers()), tokens_per_slot);
  LoadReportView report;
  report.sequence = ++sequence_;
  report.window = absl::Seconds(5);
  report.placement = applied_;
  report.slot_tokens = tokens;
  return session_->Report(report);
}

absl::StatusOr<ReportResult> ModelWorker::ReportExperts(const std::vector<std::uint64_t>& tokens) {
  LoadReportView report;
  report.sequence = ++sequence_;
  report.window = absl::Seconds(5);
  report.expert_tokens = tokens;
  return session_->Report(report);
}

bool ModelWorker::ReadEvent() {
  if (watch_ == nullptr) return false;
  const std::optional<WatchEvent> event = watch_->NextEvent();
  if (!event) return false;
  events_.push_back(*event);
  if (events_.size() > 64) events_.erase(events_.begin());
  switch (event->kind) {
    case WatchEvent::Kind::kUpdate:
      TakeUpdate(*event->update);
      break;
    case WatchEvent::Kind::kCommit:
      if (staged_.count(event->version) == 0 && applied_ < event->version && !to_do_) {
        Violate(absl::StrCat("commit of ", event->version.ToString(), ", which was not staged"));
      }
      to_commit_ = event->version;
      break;
    case WatchEvent::Kind::kAbort:
      staged_.erase(event->version);
      if (to_do_ && to_do_->target.version == event->version) to_do_.reset();
      break;
    case WatchEvent::Kind::kBookmark:
    case WatchEvent::Kind::kDraining:
      break;
  }
  return true;
}

void ModelWorker::TakeUpdate(const PlacementUpdate& update) {
  if (update.target.version < applied_) {
    Violate(absl::StrCat("sent ", update.target.version.ToString(), " with ", applied_.ToString(), " in force"));
    return;
  }
  to_do_ = update;
}

// What the update leads to from what is in force; nothing where its base is not.
std::optional<Placement> ModelWorker::Resulting(const PlacementUpdate& update) {
  if (update.full) return *update.target.placement;
  if (update.base != applied_) return std::nullopt;
  const absl::StatusOr<Placement> result = ApplyTransfers(placement_, update);
  if (!result.ok()) {
    Violate(absl::StrCat(update.base.ToString(), " -> ", update.target.version.ToString(), ": ",
                         std::string(result.status().message())));
    return std::nullopt;
  }
  if (*result != *update.target.placement) {
    Violate(absl::StrCat("transfers to ", update.target.version.ToString(), " do not lead there"));
  }
  return *result;
}

PlacementStatus ModelWorker::Status(PlacementVersion version, PlacementState state) const {
  PlacementStatus status;
  status.worker_id = options_.worker_id;
  status.incarnation = MakeHello(false).incarnation;
  status.version = version;
  status.state = state;
  return status;
}

std::vector<PlacementStatus> ModelWorker::DoWork(std::optional<RejectionReason> reject) {
  std::vector<PlacementStatus> statuses;
  if (to_do_) {
    const PlacementUpdate update = *std::exchange(to_do_, std::nullopt);
    const PlacementVersion version = update.target.version;
    const bool in_force = version == applied_;  // what was told of it got lost: it is told again
    const std::optional<Placement> result = in_force ? placement_ : Resulting(update);
    if (in_force) {
      if (*result != *update.target.placement) Violate(absl::StrCat(version.ToString(), " has other contents"));
      statuses.push_back(Status(version, PlacementState::kApplied));
    } else if (!result || reject) {
      PlacementStatus status = Status(version, PlacementState::kRejected);
      status.reason = result ? *reject : RejectionReason::kBaseMismatch;
      status.detail = "as the test wants it";
      statuses.push_back(status);
    } else if (update.activation == Activation::kOnCommit) {
      staged_.insert_or_assign(version, *result);
      ever_staged_.insert(version);
      statuses.push_back(Status(version, PlacementState::kPrepared));
    } else if (version > applied_) {
      applied_ = version;
      placement_ = *result;
      statuses.push_back(Status(version, PlacementState::kAccepted));
      statuses.push_back(Status(version, PlacementState::kApplied));
    }
  }
  if (!to_commit_) return statuses;
  const PlacementVersion version = *std::exchange(to_commit_, std::nullopt);
  const auto it = staged_.find(version);
  if (it == staged_.end() || version <= applied_) return statuses;
  applied_ = version;
  placement_ = it->second;
  staged_.erase(staged_.begin(), staged_.upper_bound(version));
  statuses.push_back(Status(version, PlacementState::kApplied));
  return statuses;
}

void ModelWorker::Tell(const PlacementStatus& status) {
  if (hub_ != nullptr) hub_->ReportStatus(options_.spec.name(), status).IgnoreError();
}

void ModelWorker::Work(std::optional<RejectionReason> reject) {
  for (const PlacementStatus& status : DoWork(reject)) Tell(status);
}

void ModelWorker::Violate(std::string what) { violations_.push_back(absl::StrCat(options_.worker_id, ": ", what)); }

}  // namespace eplb::testing
