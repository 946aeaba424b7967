#include "server/app/hub_log.h"

#include <string>
#include <utility>

namespace eplb {
namespace {

std::string_view Text(const absl::Status& status) { return {status.message().data(), status.message().size()}; }

class DeploymentLog final : public DeploymentObserver {
 public:
  DeploymentLog(Logger& logger, const DeploymentSpec& spec, std::unique_ptr<DeploymentObserver> next)
      : logger_(logger), name_(spec.name()), next_(std::move(next)) {
    logger_.Log(LogLevel::kInfo, "deployment_known",
                {{"deployment", name_},
                 {"layers", spec.num_layers()},
                 {"experts", spec.num_experts()},
                 {"slots", spec.topology().num_slots()},
                 {"gpus", spec.topology().num_gpus()},
                 {"nodes", spec.topology().num_nodes()}});
  }
  ~DeploymentLog() override { logger_.Log(LogLevel::kInfo, "deployment_forgotten", {{"deployment", name_}}); }

  void OnReport(ReportOutcome outcome, std::optional<absl::Duration> lag) override { next_->OnReport(outcome, lag); }

  void OnLostReports(std::int64_t count) override {
    logger_.Log(LogLevel::kWarning, "reports_lost", {{"deployment", name_}, {"count", count}});
    next_->OnLostReports(count);
  }

  void OnWorkers(int live, int expired, int excluded, int watchers) override {
    next_->OnWorkers(live, expired, excluded, watchers);
  }

  void OnLiveness(std::string_view worker_id, Liveness now) override {
    if (now == Liveness::kLive) {
      logger_.Log(LogLevel::kInfo, "worker_returned", {{"deployment", name_}, {"worker", worker_id}});
    } else {
      logger_.Log(LogLevel::kWarning, now == Liveness::kExpired ? "worker_expired" : "worker_excluded",
                  {{"deployment", name_}, {"worker", worker_id}});
    }
    next_->OnLiveness(worker_id, now);
  }

  void OnSubWindow(const SubWindowFigures& figures) override {
    if (!figures.phase && logger_.enabled(LogLevel::kDebug)) {
      logger_.Log(LogLevel::kDebug, "sub_window",
                  {{"deployment", name_},
                   {"step_time", StepTime(figures.live)},
                   {"balancedness", MeanBalancedness(figures.live)},
                   {"reporting_workers", figures.reporting_workers},
                   {"length_seconds", figures.length}});
    }
    next_->OnSubWindow(figures);
  }

  void OnPredicted(std::optional<Phase> phase, double balancedness) override {
    next_->OnPredicted(phase, balancedness);
  }

  void OnTick(UnchangedReason reason) override {
    logger_.Log(LogLevel::kTrace, "tick", {{"deployment", name_}, {"unchanged", UnchangedReasonName(reason)}});
    next_->OnTick(reason);
  }

  void OnPlan(const absl::Status& status, const TickPlan* plan, PlanUse use, absl::Duration duration) override {
    if (!status.ok()) {
      logger_.Log(LogLevel::kWarning, "plan_failed", {{"deployment", name_}, {"error", Text(status)}});
    } else if (plan != nullptr) {
      logger_.Log(LogLevel::kDebug, "planned",
                  {{"deployment", name_},
                   {"unchanged", UnchangedReasonName(plan->unchanged)},
                   {"predicted_step_time", plan->predicted_step_time},
                   {"gain_gpu_seconds", plan->gain_gpu_seconds},
                   {"cost_gpu_seconds", plan->cost_gpu_seconds},
                   {"duration_seconds", duration}});
    }
    next_->OnPlan(status, plan, use, duration);
  }

  void OnPublish(PlacementVersion version, const PublishFigures& figures) override {
    logger_.Log(LogLevel::kInfo, "placement_published",
                {{"deployment", name_},
                 {"version", version.ToString()},
                 {"layers_changed", figures.layers_changed},
                 {"intra_node_fetches", figures.intra_node_fetches},
                 {"inter_node_fetches", figures.inter_node_fetches},
                 {"fetched_bytes", figures.fetched_bytes}});
    next_->OnPublish(version, figures);
  }

  void OnAcknowledgement(const PlacementStatus& status, absl::Duration elapsed) override {
    logger_.Log(LogLevel::kDebug, "acknowledged",
                {{"deployment", name_},
                 {"worker", status.worker_id},
                 {"version", status.version.ToString()},
                 {"state", PlacementStateName(status.state)},
                 {"elapsed_seconds", elapsed}});
    next_->OnAcknowledgement(status, elapsed);
  }

  void OnRollout(PlacementVersion version, RolloutOutcome outcome, std::string_view worker_id, std::string_view detail,
                 absl::Duration elapsed) override {
    const LogLevel level = outcome == RolloutOutcome::kApplied ? LogLevel::kInfo : LogLevel::kWarning;
    logger_.Log(level, outcome == RolloutOutcome::kApplied ? "placement_applied" : "placement_not_applied",
                {{"deployment", name_},
                 {"version", version.ToString()},
                 {"outcome", RolloutOutcomeName(outcome)},
                 {"worker", worker_id},
                 {"detail", detail},
                 {"elapsed_seconds", elapsed}});
    next_->OnRollout(version, outcome, worker_id, detail, elapsed);
  }

  void OnBehind(int workers) override {
    logger_.Log(workers > 0 ? LogLevel::kWarning : LogLevel::kInfo, "workers_behind",
                {{"deployment", name_}, {"workers", workers}});
    next_->OnBehind(workers);
  }

  void OnControl(const DeploymentControl& control) override {
    logger_.Log(LogLevel::kInfo, "control_changed",
                {{"deployment", name_},
                 {"paused", control.mode == DeploymentMode::kPaused},
                 {"excluded_gpus", control.excluded_gpus.size()},
                 {"draining_gpus", control.draining_gpus.size()},
                 {"comment", control.comment}});
    next_->OnControl(control);
  }

 private:
  Logger& logger_;
  const std::string name_;
  const std::unique_ptr<DeploymentObserver> next_;
};

}  // namespace

std::unique_ptr<DeploymentObserver> HubLog::OnDeployment(const DeploymentSpec& spec) {
  return std::make_unique<DeploymentLog>(logger_, spec, next_.OnDeployment(spec));
}

void HubLog::OnReportInterval(absl::Duration interval) {
  logger_.Log(LogLevel::kWarning, "report_interval_changed", {{"interval_seconds", interval}});
  next_.OnReportInterval(interval);
}

}  // namespace eplb
