#include "server/app/hub_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "server/base/check.h"
#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Counts what is handed on.
class NextDeployment final : public DeploymentObserver {
 public:
  explicit NextDeployment(int& calls) : calls_(calls) {}
  void OnReport(ReportOutcome, std::optional<absl::Duration>) override { ++calls_; }
  void OnLostReports(std::int64_t) override { ++calls_; }
  void OnWorkers(int, int, int, int) override { ++calls_; }
  void OnLiveness(std::string_view, Liveness) override { ++calls_; }
  void OnSubWindow(const SubWindowFigures&) override { ++calls_; }
  void OnTick(UnchangedReason) override { ++calls_; }
  void OnPlan(const absl::Status&, const TickPlan*, PlanUse, absl::Duration) override { ++calls_; }
  void OnPublish(PlacementVersion, const PublishFigures&) override { ++calls_; }
  void OnAcknowledgement(const PlacementStatus&, absl::Duration) override { ++calls_; }
  void OnRollout(PlacementVersion, RolloutOutcome, std::string_view, std::string_view, absl::Duration) override {
    ++calls_;
  }
  void OnBehind(int) override { ++calls_; }
  void OnControl(const DeploymentControl&) override { ++calls_; }

 private:
  int& calls_;
};

class NextHub final : public HubObserver {
 public:
  std::unique_ptr<DeploymentObserver> OnDeployment(const DeploymentSpec&) override {
    return std::make_unique<NextDeployment>(calls);
  }
  void OnDeployments(int) override { ++calls; }
  void OnQueue(int) override { ++calls; }
  void OnReportInterval(absl::Duration) override { ++calls; }

  int calls = 0;
};

DeploymentSpec Spec() {
  absl::StatusOr<DeploymentSpec> spec = DeploymentSpec::Create({.name = "team/model",
                                                                .topology = {.num_gpus = 2, .num_slots = 2},
                                                                .model_layers = {0},
                                                                .num_experts = 2,
                                                                .constraints = {},
                                                                .phase_weights = {}});
  EPLB_CHECK(spec.ok());
  return *std::move(spec);
}

TEST(HubLog, LogsWhatAnOperatorMayWantToKnowAndHandsAllOfItOn) {
  std::ostringstream out;
  testing::FakeClock clock;
  NextHub next;
  {
    Logger logger({.level = LogLevel::kTrace}, clock, std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
    HubLog log(logger, next);
    log.OnDeployments(1);
    log.OnQueue(1);
    log.OnReportInterval(absl::Seconds(10));
    const std::unique_ptr<DeploymentObserver> deployment = log.OnDeployment(Spec());
    deployment->OnReport(ReportOutcome::kFolded, std::nullopt);
    deployment->OnLostReports(3);
    deployment->OnWorkers(1, 0, 0, 0);
    deployment->OnLiveness("worker-0", Liveness::kExpired);
    deployment->OnSubWindow({.live = {{.mean = 1, .max = 2}}, .contiguous = {}});
    deployment->OnTick(UnchangedReason::kPaused);
    deployment->OnPlan(absl::FailedPreconditionError("too few slots"), nullptr, PlanUse::kGated, absl::Seconds(1));
    deployment->OnPublish({.epoch = 5, .revision = 2}, {.inter_node_fetches = 4, .fetched_bytes = 100});
    deployment->OnAcknowledgement({.worker_id = "worker-0", .incarnation = "i", .detail = {}}, absl::Seconds(1));
    deployment->OnRollout({.epoch = 5, .revision = 2}, RolloutOutcome::kRejected, "worker-0", "a\nb level=error",
                          absl::Seconds(1));
    deployment->OnBehind(2);
    deployment->OnControl({.mode = DeploymentMode::kPaused, .comment = "by hand"});
  }
  EXPECT_EQ(next.calls, 15);
  EXPECT_THAT(out.str(),
              AllOf(HasSubstr("event=report_interval_changed interval_seconds=10"),
                    HasSubstr("event=deployment_known deployment=team/model layers=1 experts=2 slots=2 gpus=2 nodes=1"),
                    HasSubstr("level=warning event=reports_lost deployment=team/model count=3"),
                    HasSubstr("level=warning event=worker_expired deployment=team/model worker=worker-0"),
                    HasSubstr("level=warning event=plan_failed deployment=team/model error=\"too few slots\""),
                    HasSubstr("event=placement_published deployment=team/model version=5.2"),
                    HasSubstr("outcome=rejected worker=worker-0 detail=\"a\\nb level=error\""),
                    HasSubstr("level=warning event=workers_behind deployment=team/model workers=2"),
                    HasSubstr("event=control_changed deployment=team/model paused=true"),
                    HasSubstr("event=deployment_forgotten deployment=team/model")));
}

}  // namespace
}  // namespace eplb
