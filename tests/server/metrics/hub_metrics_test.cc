#include "server/metrics/hub_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/base/check.h"
#include "tests/server/metrics/page_reader.h"
#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using testing::SamplesOf;

// Two layers, the transformer's 3rd and 4th, of two experts on two GPUs.
DeploymentSpec SpecOf(const std::string& name) {
  absl::StatusOr<DeploymentSpec> spec = DeploymentSpec::Create({.name = name,
                                                                .topology = {.num_gpus = 2, .num_slots = 2},
                                                                .model_layers = {3, 4},
                                                                .num_experts = 2,
                                                                .constraints = {},
                                                                .phase_weights = {}});
  EPLB_CHECK(spec.ok());
  return *std::move(spec);
}

struct World {
  explicit World(const HubMetricsOptions& options = {}) : metrics(options, page, clock) {}

  testing::FakeClock clock;
  MetricsPage page;
  HubMetrics metrics;

  std::map<std::string, double> samples() const { return SamplesOf(page); }
};

// One window of a fleet whose busiest GPU carries twice the mean in one layer.
const SubWindowFigures kWindow = {.live = {{.mean = 100, .max = 100}, {.mean = 100, .max = 125}},
                                  .contiguous = {{.mean = 100, .max = 200}, {.mean = 100, .max = 250}},
                                  .predicted_step_time = 1.35,
                                  .length = absl::Seconds(5),
                                  .reporting_workers = 2};

TEST(HubMetrics, MeasuresTheBalanceOfASubWindow) {
  World world;
  const auto observer = world.metrics.OnDeployment(SpecOf("a"));
  observer->OnSubWindow(kWindow);
  const auto samples = world.samples();
  const auto of = [&](const std::string& series) { return samples.at(series); };
  EXPECT_DOUBLE_EQ(of(R"(eplb_balancedness_ratio{deployment="a",phase="all"})"), 0.9);
  EXPECT_DOUBLE_EQ(of(R"(eplb_worst_layer_balancedness_ratio{deployment="a",phase="all"})"), 0.8);
  EXPECT_DOUBLE_EQ(of(R"(eplb_step_time_ratio{deployment="a",phase="all",placement="live"})"), 1.125);
  EXPECT_DOUBLE_EQ(of(R"(eplb_step_time_ratio{deployment="a",phase="all",placement="contiguous"})"), 2.25);
  EXPECT_DOUBLE_EQ(of(R"(eplb_step_time_ratio{deployment="a",phase="all",placement="predicted"})"), 1.35);
  EXPECT_NEAR(of(R"(eplb_gpu_utilisation_ratio{deployment="a",phase="all"})"), 1 / 1.125, 1e-6);
  EXPECT_NEAR(of(R"(eplb_imbalance_reduction_ratio{deployment="a"})"), 0.9, 1e-6) << "1.25 too much became 0.125";
  EXPECT_DOUBLE_EQ(of(R"(eplb_throughput_gain_ratio{deployment="a"})"), 2);
  EXPECT_NEAR(of(R"(eplb_forecast_error_ratio{deployment="a"})"), 0.2, 1e-6);
  EXPECT_EQ(of(R"(eplb_reporting_workers{deployment="a"})"), 2);
  EXPECT_NEAR(of(R"(eplb_last_sub_window_timestamp_seconds{deployment="a"})"), 1'700'000'000, 1e4);
}

TEST(HubMetrics, TellsSinceWhenADeploymentIsKnown) {
  World world;
  const auto observer = world.metrics.OnDeployment(SpecOf("a"));
  const double known = world.samples().at(R"(eplb_deployment_known_timestamp_seconds{deployment="a"})");
  EXPECT_NEAR(known, 1'700'000'000, 1e4);
  world.clock.Advance(absl::Minutes(5));
  observer->OnSubWindow(kWindow);
  EXPECT_EQ(world.samples().at(R"(eplb_deployment_known_timestamp_seconds{deployment="a"})"), known);
}

TEST(HubMetrics, EveryReasonOfARejectionIsCountedFromZeroOn) {
  const World world;
  const auto samples = world.samples();
  for (int reason = 0; reason < kNumRejectionReasons; ++reason) {
    const std::string name(RejectionReasonName(static_cast<RejectionReason>(reason)));
    EXPECT_THAT(samples, Contains(Pair("eplb_rejections_total{reason=\"" + name + "\"}", 0)));
  }
}

TEST(HubMetrics, KeepsPhasesApart) {
  World world;
  const auto observer = world.metrics.OnDeployment(SpecOf("a"));
  observer->OnSubWindow({.phase = Phase::kPrefill, .live = {{.mean = 1, .max = 2}}, .contiguous = {}});
  observer->OnSubWindow({.phase = Phase::kDecode, .live = {{.mean = 1, .max = 4}}, .contiguous = {}});
  observer->OnPredicted(Phase::kDecode, 0.75);
  const auto samples = world.samples();
  EXPECT_EQ(samples.at(R"(eplb_predicted_balancedness_ratio{deployment="a",phase="decode"})"), 0.75);
  EXPECT_EQ(samples.at(R"(eplb_balancedness_ratio{deployment="a",phase="prefill"})"), 0.5);
  EXPECT_EQ(samples.at(R"(eplb_balancedness_ratio{deployment="a",phase="decode"})"), 0.25);
  EXPECT_THAT(samples, Not(Contains(Key(R"(eplb_balancedness_ratio{deployment="a",phase="all"})"))));
  EXPECT_THAT(samples, Not(Contains(Key(R"(eplb_throughput_gain_ratio{deployment="a"})"))));
}

TEST(HubMetrics, AContiguousPlacementInBalanceLeavesNothingToReduce) {
  World world;
  const auto observer = world.metrics.OnDeployment(SpecOf("a"));
  observer->OnSubWindow({.live = {{.mean = 1, .max = 1}}, .contiguous = {{.mean = 1, .max = 1}}});
  EXPECT_EQ(world.samples().at(R"(eplb_imbalance_reduction_ratio{deployment="a"})"), 0);
}

TEST(HubMetrics, CountsWhatHappens) {
  World world;
  const auto observer = world.metrics.OnDeployment(SpecOf("a"));
  observer->OnReport(ReportOutcome::kFolded, absl::Milliseconds(3));
  observer->OnReport(ReportOutcome::kLate, std::nullopt);
  observer->OnLostReports(4);
  observer->OnWorkers(3, 2, 1, 5);
  observer->OnLiveness("w", Liveness::kExpired);
  observer->OnTick(UnchangedReason::kNone);
  observer->OnTick(UnchangedReason::kWarmingUp);
  observer->OnPlan(absl::FailedPreconditionError("no room"), nullptr, PlanUse::kGated, absl::Milliseconds(2));
  observer->OnPublish({.epoch = 1'700'000'000'000'000'000, .revision = 7},
                      {.intra_node_fetches = 2, .inter_node_fetches = 1, .fetched_bytes = 300, .layers_changed = 2});
  observer->OnAcknowledgement({.worker_id = "w",
                               .incarnation = "i",
                               .version = {.epoch = 1, .revision = 1},
                               .state = PlacementState::kRejected,
                               .reason = RejectionReason::kOutOfMemory,
                               .detail = {}},
                              absl::Seconds(1));
  observer->OnAcknowledgement({.worker_id = "w",
                               .incarnation = "i",
                               .version = {.epoch = 1, .revision = 1},
                               .state = PlacementState::kApplied,
                               .detail = {},
                               .fetched_bytes = 250},
                              absl::Seconds(1));
  observer->OnBehind(2);
  observer->OnRollout({}, RolloutOutcome::kRejected, "w", "why", absl::Seconds(1));
  observer->OnControl({.mode = DeploymentMode::kPaused, .excluded_gpus = {1}});
  const auto samples = world.samples();
  const std::map<std::string, double> expected = {
      {R"(eplb_reports_total{deployment="a",outcome="folded"})", 1},
      {R"(eplb_reports_total{deployment="a",outcome="late"})", 1},
      {R"(eplb_reports_total{deployment="a",outcome="shed"})", 0},
      {"eplb_report_lag_seconds_count", 1},
      {R"(eplb_report_lag_seconds_bucket{le="0.0025"})", 0},
      {R"(eplb_report_lag_seconds_bucket{le="0.005"})", 1},
      {R"(eplb_lost_reports_total{deployment="a"})", 4},
      {R"(eplb_workers{deployment="a",state="live"})", 3},
      {R"(eplb_workers{deployment="a",state="expired"})", 2},
      {R"(eplb_workers{deployment="a",state="excluded"})", 1},
      {R"(eplb_watchers{deployment="a"})", 5},
      {R"(eplb_worker_liveness_changes_total{deployment="a",state="expired"})", 1},
      {R"(eplb_ticks_total{deployment="a",reason="published"})", 1},
      {R"(eplb_ticks_total{deployment="a",reason="warming_up"})", 1},
      {R"(eplb_plans_total{deployment="a",outcome="failed"})", 1},
      {"eplb_plan_duration_seconds_count", 1},
      {R"(eplb_publications_total{deployment="a"})", 1},
      {R"(eplb_moves_total{deployment="a",reach="intra_node"})", 2},
      {R"(eplb_moves_total{deployment="a",reach="inter_node"})", 1},
      {R"(eplb_moved_bytes_total{deployment="a"})", 300},
      {R"(eplb_fetched_bytes_total{deployment="a"})", 250},
      {R"(eplb_workers_behind{deployment="a"})", 2},
      {R"(eplb_changed_layers_total{deployment="a"})", 2},
      {R"(eplb_placement_epoch_timestamp_seconds{deployment="a"})", 1'700'000'000},
      {R"(eplb_placement_revision{deployment="a"})", 7},
      {R"(eplb_acknowledgement_latency_seconds_count{state="rejected"})", 1},
      {R"(eplb_rejections_total{reason="out_of_memory"})", 1},
      {R"(eplb_rollouts_total{deployment="a",outcome="rejected"})", 1},
      {R"(eplb_rollout_duration_seconds_count{outcome="rejected"})", 1},
      {R"(eplb_deployment_paused{deployment="a"})", 1},
      {R"(eplb_excluded_gpus{deployment="a"})", 1},
      {R"(eplb_draining_gpus{deployment="a"})", 0}};
  for (const auto& [series, value] : expected) EXPECT_THAT(samples, Contains(Pair(series, value)));
}

TEST(HubMetrics, CountsPlansByWhatTheGateSaid) {
  World world;
  const auto observer = world.metrics.OnDeployment(SpecOf("a"));
  const DeploymentSpec spec = SpecOf("a");
  const absl::StatusOr<Placement> placement = Placement::Create(2, 2, 2, {0, 1, 0, 1});
  ASSERT_TRUE(placement.ok());
  for (const UnchangedReason reason : {UnchangedReason::kNone, UnchangedReason::kGainBelowCost,
                                       UnchangedReason::kHysteresis, UnchangedReason::kOptimal}) {
    const TickPlan plan{.plan = {.placement = *placement, .policy = Policy::kOptimized, .layers = {}, .transfers = {}},
                        .unchanged = reason,
                        .gain_gpu_seconds = 10,
                        .cost_gpu_seconds = 3};
    for (const PlanUse use : {PlanUse::kGated, PlanUse::kForced, PlanUse::kDryRun}) {
      observer->OnPlan(absl::OkStatus(), &plan, use, absl::Milliseconds(1));
    }
  }
  observer->OnPublish({.epoch = 1, .revision = 1}, {.gain_gpu_seconds = 10, .cost_gpu_seconds = 3});
  const auto samples = world.samples();
  EXPECT_EQ(samples.at(R"(eplb_plans_total{deployment="a",outcome="changed"})"), 3);
  EXPECT_EQ(samples.at(R"(eplb_plans_total{deployment="a",outcome="unchanged"})"), 9);
  EXPECT_EQ(samples.at(R"(eplb_gate_decisions_total{decision="accepted",deployment="a"})"), 1)
      << "only where it decided";
  EXPECT_EQ(samples.at(R"(eplb_gate_decisions_total{decision="gain_below_cost",deployment="a"})"), 1);
  EXPECT_EQ(samples.at(R"(eplb_gate_decisions_total{decision="hysteresis",deployment="a"})"), 1);
  EXPECT_EQ(samples.at(R"(eplb_predicted_gain_gpu_seconds_total{deployment="a"})"), 10) << "only of what is published";
  EXPECT_EQ(samples.at(R"(eplb_predicted_cost_gpu_seconds_total{deployment="a"})"), 3);
}

TEST(HubMetrics, ADeploymentsSeriesLeaveWithIt) {
  World world({.per_layer = true});
  const std::size_t before = world.samples().size();
  auto observer = world.metrics.OnDeployment(SpecOf("a"));
  observer->OnSubWindow(kWindow);
  observer->OnSubWindow({.phase = Phase::kDecode, .live = kWindow.live, .contiguous = {}});
  EXPECT_GT(world.samples().size(), before);
  observer.reset();
  EXPECT_EQ(world.samples().size(), before);
  EXPECT_THAT(world.page.ToText(), Not(HasSubstr("deployment=\"a\"")));
}

TEST(HubMetrics, ADeploymentThatComesBackBeforeItIsGoneKeepsItsSeries) {
  World world;
  auto former = world.metrics.OnDeployment(SpecOf("a"));
  former->OnLostReports(1);
  auto next = world.metrics.OnDeployment(SpecOf("a"));
  former.reset();
  next->OnLostReports(2);
  EXPECT_EQ(world.samples().at(R"(eplb_lost_reports_total{deployment="a"})"), 3);
}

TEST(HubMetrics, DeploymentsPastTheCapAreCountedTogether) {
  World world({.max_deployment_labels = 1});
  auto own = world.metrics.OnDeployment(SpecOf("a"));
  auto second = world.metrics.OnDeployment(SpecOf("b"));
  auto third = world.metrics.OnDeployment(SpecOf("c"));
  second->OnLostReports(2);
  third->OnLostReports(3);
  third->OnWorkers(1, 1, 1, 1);
  third->OnSubWindow(kWindow);
  EXPECT_EQ(world.samples().at(R"(eplb_lost_reports_total{deployment="other"})"), 5);
  EXPECT_EQ(world.samples().at("eplb_deployments_without_labels"), 2);
  EXPECT_THAT(world.samples(), AllOf(Not(Contains(Key(HasSubstr("\"b\"")))), Not(Contains(Key(HasSubstr("\"c\""))))));
  EXPECT_THAT(world.samples(), Not(Contains(Key(HasSubstr(R"(eplb_workers{deployment="other")")))))
      << "the state of several makes no sense as one";
  own.reset();
  second.reset();
  second = world.metrics.OnDeployment(SpecOf("b"));
  EXPECT_EQ(world.samples().at(R"(eplb_lost_reports_total{deployment="b"})"), 0) << "a label became free";
  EXPECT_EQ(world.samples().at(R"(eplb_lost_reports_total{deployment="other"})"), 5) << "counters never go back";
}

TEST(HubMetrics, ADeploymentMayBeCalledOther) {
  World world;
  auto observer = world.metrics.OnDeployment(SpecOf("other"));
  observer->OnLostReports(2);
  observer.reset();
  EXPECT_EQ(world.samples().at(R"(eplb_lost_reports_total{deployment="other"})"), 2);
}

TEST(HubMetrics, LayersAreOptInAndCapped) {
  World world({.per_layer = true, .max_per_layer_series = 3});
  const auto first = world.metrics.OnDeployment(SpecOf("a"));
  const auto second = world.metrics.OnDeployment(SpecOf("b"));
  first->OnSubWindow(kWindow);
  second->OnSubWindow(kWindow);
  const auto samples = world.samples();
  EXPECT_EQ(samples.at(R"(eplb_layer_balancedness_ratio{deployment="a",layer="3"})"), 1);
  EXPECT_EQ(samples.at(R"(eplb_layer_balancedness_ratio{deployment="a",layer="4"})"), 0.8);
  EXPECT_THAT(samples, Not(Contains(Key(R"(eplb_layer_balancedness_ratio{deployment="b",layer="3"})"))));
  EXPECT_EQ(samples.at("eplb_deployments_without_layer_series"), 1);

  World without;
  const auto quiet = without.metrics.OnDeployment(SpecOf("a"));
  quiet->OnSubWindow(kWindow);
  EXPECT_THAT(without.page.ToText(), Not(HasSubstr("layer=\"")));
}

TEST(HubMetrics, ShowsTheWholeService) {
  World world;
  world.metrics.OnDeployments(3);
  world.metrics.OnQueue(2);
  world.metrics.OnReportInterval(absl::Seconds(10));
  const auto samples = world.samples();
  EXPECT_EQ(samples.at("eplb_deployments"), 3);
  EXPECT_EQ(samples.at("eplb_planner_queue_depth"), 2);
  EXPECT_EQ(samples.at("eplb_report_interval_seconds"), 10);
}

}  // namespace
}  // namespace eplb
