// The Hub: deployments by name, and the handles that the transport holds.
#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/planner/coalesced_transfers.h"
#include "server/planner/deployment_loop.h"
#include "server/planner/hub.h"
#include "server/telemetry/names.h"

namespace eplb {
namespace {

// A hello that meets a deployment on its way out is tried so often.
constexpr int kHelloAttempts = 4;

absl::Status AboutToStop() { return absl::UnavailableError("the service is about to stop; come to another replica"); }

// The right to one of the sessions, or watches, that may be open at once, given back at its end.
class Permit {
 public:
  // what, bound: for the error.
  static absl::StatusOr<Permit> Take(const std::shared_ptr<std::atomic<int>>& open, int most, std::string_view what,
                                     std::string_view bound) {
    const int now_open = open->fetch_add(1) + 1;
    Permit permit(open);
    if (now_open <= most) return permit;
    return absl::ResourceExhaustedError(absl::StrCat(std::string(what), " of all deployments: ", now_open,
                                                     ", must be at most ", std::string(bound), " = ", most));
  }
  Permit(Permit&&) = default;
  Permit& operator=(Permit&&) = delete;
  ~Permit() {
    if (open_ != nullptr) --*open_;
  }

 private:
  explicit Permit(std::shared_ptr<std::atomic<int>> open) : open_(std::move(open)) {}

  std::shared_ptr<std::atomic<int>> open_;
};

class LiveSession final : public TelemetrySession {
 public:
  LiveSession(std::shared_ptr<DeploymentLoop> loop, std::shared_ptr<SessionState> state, Permit permit)
      : permit_(std::move(permit)), loop_(std::move(loop)), state_(std::move(state)) {}
  ~LiveSession() override { loop_->CloseSession(state_, /*departed=*/false); }

  absl::StatusOr<ReportResult> Report(const LoadReportView& report) override { return loop_->Report(*state_, report); }
  absl::Status Hello(const WorkerHello& hello) override { return loop_->Hello(hello, nullptr, state_).status(); }
  WorkerDirectives Directives() const override { return loop_->Directives(*state_); }
  void Close(bool departed) override { loop_->CloseSession(state_, departed); }

 private:
  const Permit permit_;
  const std::shared_ptr<DeploymentLoop> loop_;
  const std::shared_ptr<SessionState> state_;
};

class LiveWatch final : public PlacementWatch {
 public:
  LiveWatch(std::shared_ptr<DeploymentLoop> loop, std::shared_ptr<WatchState> state, Permit permit)
      : permit_(std::move(permit)), loop_(std::move(loop)), state_(std::move(state)) {}
  ~LiveWatch() override { loop_->CloseWatch(state_); }

  std::optional<WatchEvent> NextEvent() override { return loop_->NextEvent(*state_); }
  std::shared_ptr<const DeploymentSpec> spec() const override { return loop_->spec(); }
  void Close() override { loop_->CloseWatch(state_); }

 private:
  const Permit permit_;
  const std::shared_ptr<DeploymentLoop> loop_;
  const std::shared_ptr<WatchState> state_;
};

class LiveHub final : public Hub {
 public:
  LiveHub(const HubOptions& options, const Clock& clock, const TickPlanner& planner, HubObserver* observer)
      : options_(options),
        observer_(observer != nullptr ? observer : &no_observer_),
        store_(options.placement_history),
        shedder_(options.max_reports_per_second, options.report_interval, options.max_report_interval,
                 [this](absl::Duration interval) { observer_->OnReportInterval(interval); }),
        scheduler_(clock, [this](int waiting) { observer_->OnQueue(waiting); }),
        parts_{.options = &options_,
               .clock = &clock,
               .planner = &planner,
               .store = &store_,
               .shedder = &shedder_,
               .scheduler = &scheduler_,
               .observer = observer_,
               .plan_transfers =
                   [this](const DeploymentSpec& spec, const VersionedPlacement& from, const VersionedPlacement& to) {
                     return CoalescedTransfers(*from.placement, *to.placement, spec.topology_options(),
                                               options_.plan.max_transfers_per_gpu);
                   },
               .on_forgotten =
                   [this](const std::shared_ptr<DeploymentLoop>& loop) {
                     Forget(loop, DeploymentLoop::Condition::kForgotten,
                            absl::NotFoundError("no worker of the deployment was heard of for its retention"));
                   }} {}

  ~LiveHub() override {
    scheduler_.Stop();
    for (const auto& [name, loop] : Deployments()) {
      loop->Retire(DeploymentLoop::Condition::kAlways, absl::UnavailableError("the service stops"));
    }
  }

  absl::StatusOr<std::unique_ptr<TelemetrySession>> OpenWorker(const WorkerHello& hello,
                                                               std::shared_ptr<TelemetryListener> listener) override;
  absl::StatusOr<std::unique_ptr<PlacementWatch>> Watch(const WatchRequest& request,
                                                        std::shared_ptr<WatchListener> listener) override;
  absl::Status ReportStatus(std::string_view deployment, const PlacementStatus& status) override;
  absl::StatusOr<DeploymentView> GetPlacement(std::string_view deployment) const override;
  absl::StatusOr<ListPage> ListDeployments(const ListRequest& request) const override;
  absl::StatusOr<DeploymentControl> UpdateDeployment(std::string_view deployment, const ControlChange& change,
                                                     bool validate_only) override;
  absl::StatusOr<RebalanceNowResult> RebalanceNow(const RebalanceNowRequest& request) override;
  int RunDue() override { return scheduler_.RunDue(); }
  absl::Duration NextDue() const override { return scheduler_.NextDue(); }
  void Start(WorkerPool& pool) override { scheduler_.Start(pool, options_.plan_concurrency); }
  void Stop() override { scheduler_.Stop(); }
  void Drain(absl::Duration reconnect_delay) override;

 private:
  using Loops = std::map<std::string, std::shared_ptr<DeploymentLoop>, std::less<>>;

  Loops Deployments() const EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return loops_;
  }
  absl::StatusOr<std::shared_ptr<DeploymentLoop>> Find(std::string_view name) const EPLB_EXCLUDES(mutex_);
  // The deployment of a hello, made where there is none; `made` tells.
  absl::StatusOr<std::shared_ptr<DeploymentLoop>> FindOrMake(const WorkerHello& hello, bool& made)
      EPLB_EXCLUDES(mutex_);
  void Forget(const std::shared_ptr<DeploymentLoop>& loop, DeploymentLoop::Condition condition,
              const absl::Status& status) EPLB_EXCLUDES(mutex_);

  const HubOptions options_;
  HubObserver no_observer_;
  HubObserver* const observer_;
  InMemoryPlacementStore store_;
  LoadShedder shedder_;
  Scheduler scheduler_;
  const HubParts parts_;
  // Shared with the sessions and watches, which may outlive the hub's use of them.
  const std::shared_ptr<std::atomic<int>> open_sessions_ = std::make_shared<std::atomic<int>>(0);
  const std::shared_ptr<std::atomic<int>> open_watches_ = std::make_shared<std::atomic<int>>(0);
  mutable Mutex mutex_;
  Loops loops_ EPLB_GUARDED_BY(mutex_);
  bool draining_ EPLB_GUARDED_BY(mutex_) = false;
};

absl::StatusOr<std::shared_ptr<DeploymentLoop>> LiveHub::Find(std::string_view name) const {
  MutexLock lock(mutex_);
  const auto it = loops_.find(name);
  if (it != loops_.end()) return it->second;
  return absl::NotFoundError(absl::StrCat("no worker has told of the deployment '", QuoteForError(name), "'"));
}

absl::StatusOr<std::shared_ptr<DeploymentLoop>> LiveHub::FindOrMake(const WorkerHello& hello, bool& made) {
  MutexLock lock(mutex_);
  made = false;
  if (draining_) return AboutToStop();
  const auto it = loops_.find(hello.spec.name());
  if (it != loops_.end()) return it->second;
  if (loops_.size() >= static_cast<std::size_t>(options_.max_deployments)) {
    return absl::ResourceExhaustedError(absl::StrCat("deployments: ", loops_.size() + 1,
                                                     ", must be at most max_deployments = ", options_.max_deployments));
  }
  made = true;
  std::shared_ptr<DeploymentLoop> loop = DeploymentLoop::Create(parts_, hello);
  loops_.emplace(hello.spec.name(), loop);
  observer_->OnDeployments(static_cast<int>(loops_.size()));
  return loop;
}

void LiveHub::Forget(const std::shared_ptr<DeploymentLoop>& loop, DeploymentLoop::Condition condition,
                     const absl::Status& status) {
  if (!loop->Retire(condition, status)) return;
  MutexLock lock(mutex_);
  const auto it = loops_.find(loop->name());
  if (it == loops_.end() || it->second != loop) return;
  loops_.erase(it);
  observer_->OnDeployments(static_cast<int>(loops_.size()));
}

absl::StatusOr<std::unique_ptr<TelemetrySession>> LiveHub::OpenWorker(const WorkerHello& hello,
                                                                      std::shared_ptr<TelemetryListener> listener) {
  EPLB_ASSIGN_OR_RETURN(Permit permit, Permit::Take(open_sessions_, options_.max_workers, "workers", "max_workers"));
  absl::Status status;
  for (int attempt = 0; attempt < kHelloAttempts; ++attempt) {
    bool made = false;
    EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<DeploymentLoop> loop, FindOrMake(hello, made));
    absl::StatusOr<DeploymentLoop::HelloResult> result = loop->Hello(hello, listener, nullptr);
    if (result.ok() && !result->restate) {
      return std::make_unique<LiveSession>(loop, std::move(result->session), std::move(permit));
    }
    status = result.status();
    if (result.ok()) {
      Forget(loop, DeploymentLoop::Condition::kAlways, absl::AbortedError("the deployment was stated anew"));
    } else if (absl::IsUnavailable(status)) {
      Forget(loop, DeploymentLoop::Condition::kForgotten, status);
    } else {
      if (made) Forget(loop, DeploymentLoop::Condition::kUnused, status);
      return status;
    }
  }
  return absl::UnavailableError("the deployment kept being stated anew; say hello again");
}

absl::StatusOr<std::unique_ptr<PlacementWatch>> LiveHub::Watch(const WatchRequest& request,
                                                               std::shared_ptr<WatchListener> listener) {
  {
    MutexLock lock(mutex_);
    if (draining_) return AboutToStop();
  }
  EPLB_ASSIGN_OR_RETURN(Permit permit, Permit::Take(open_watches_, options_.max_watchers, "watches", "max_watchers"));
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<DeploymentLoop> loop, Find(request.deployment));
  EPLB_ASSIGN_OR_RETURN(std::shared_ptr<WatchState> watch, loop->OpenWatch(request, std::move(listener)));
  return std::make_unique<LiveWatch>(loop, std::move(watch), std::move(permit));
}

absl::Status LiveHub::ReportStatus(std::string_view deployment, const PlacementStatus& status) {
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<DeploymentLoop> loop, Find(deployment));
  return loop->ReportStatus(status);
}

absl::StatusOr<DeploymentView> LiveHub::GetPlacement(std::string_view deployment) const {
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<DeploymentLoop> loop, Find(deployment));
  return loop->View();
}

absl::StatusOr<ListPage> LiveHub::ListDeployments(const ListRequest& request) const {
  if (request.page_size < 0) {
    return FieldErrorStatus("page_size", absl::StrCat(request.page_size), "must be at least 0");
  }
  if (!request.page_token.empty()) EPLB_RETURN_IF_ERROR(ValidateDeploymentName("page_token", request.page_token));
  const auto size = static_cast<std::size_t>(
      request.page_size == 0 ? options_.max_page_size : std::min(request.page_size, options_.max_page_size));
  std::vector<std::shared_ptr<DeploymentLoop>> page;
  ListPage result;
  {
    MutexLock lock(mutex_);
    auto it = request.page_token >= request.name_prefix && !request.page_token.empty()
                  ? loops_.upper_bound(request.page_token)
                  : loops_.lower_bound(request.name_prefix);
    for (; it != loops_.end() && it->first.starts_with(request.name_prefix); ++it) {
      if (request.visible && !request.visible(it->first)) continue;
      if (page.size() == size) {
        result.next_page_token = page.back()->name();
        break;
      }
      page.push_back(it->second);
    }
  }
  for (const auto& loop : page) result.deployments.push_back(loop->Summary());
  return result;
}

absl::StatusOr<DeploymentControl> LiveHub::UpdateDeployment(std::string_view deployment, const ControlChange& change,
                                                            bool validate_only) {
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<DeploymentLoop> loop, Find(deployment));
  return loop->Update(change, validate_only);
}

absl::StatusOr<RebalanceNowResult> LiveHub::RebalanceNow(const RebalanceNowRequest& request) {
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<DeploymentLoop> loop, Find(request.deployment));
  return loop->RebalanceNow(request);
}

void LiveHub::Drain(absl::Duration reconnect_delay) {
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  for (const auto& [name, loop] : Deployments()) loop->Drain(reconnect_delay);
}

}  // namespace

std::unique_ptr<Hub> CreateHub(const HubOptions& options, const Clock& clock, const TickPlanner& planner,
                               HubObserver* observer) {
  return std::make_unique<LiveHub>(options, clock, planner, observer);
}

}  // namespace eplb
