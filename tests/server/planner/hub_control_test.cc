// What a controller asks of the Hub: pause, drain, plan now, list; and the bounds it keeps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "server/planner/hub.h"
#include "tests/support/hub_world.h"

namespace eplb {
namespace {

using ::eplb::testing::HubWorld;
using ::eplb::testing::ModelWorker;
using ::eplb::testing::SmallSpec;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Names(const ListPage& page) {
  std::vector<std::string> names;
  for (const DeploymentSummary& summary : page.deployments) names.push_back(summary.name);
  return names;
}

PlacementVersion AppliedBy(const HubWorld& world, std::size_t worker) { return world.workers[worker]->applied(); }

TEST(HubControlTest, APausedDeploymentIsNotPlannedUnlessForced) {
  HubWorld world;
  world.ConnectAll();
  ASSERT_TRUE(world.hub->UpdateDeployment("prod/r1", {.mode = DeploymentMode::kPaused}, false).ok());
  world.Interval();
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kPaused);
  EXPECT_EQ(world.planner.plans(), 0);

  const auto dry = world.hub->RebalanceNow({.deployment = "prod/r1", .validate_only = true});
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_FALSE(dry->version.is_set());
  const auto asked = world.hub->RebalanceNow({.deployment = "prod/r1"});
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(asked->plan.unchanged, UnchangedReason::kPaused);
  const auto forced = world.hub->RebalanceNow({.deployment = "prod/r1", .force = true});
  ASSERT_TRUE(forced.ok());
  EXPECT_TRUE(forced->version.is_set());
  world.Deliver();
  EXPECT_EQ(AppliedBy(world, 0), forced->version);
}

TEST(HubControlTest, ADrainedGpuIsEmptiedWithoutWaitingForATick) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const auto control = world.hub->UpdateDeployment("prod/r1", {.drain_gpus = {1}}, false);
  ASSERT_TRUE(control.ok());
  world.hub->RunDue();
  world.Deliver();
  EXPECT_THAT(world.workers[0]->placement().layer(1).subspan(3, 3), Each(kEmptySlot));
  EXPECT_EQ(world.hub->UpdateDeployment("prod/r1", {.drain_gpus = {4}}, false).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(HubControlTest, ADeploymentWithoutEnoughSlotsSaysSoUntilGpusAreRestored) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  for (const std::size_t silent : {2U, 3U}) world.workers[silent]->Disconnect();
  for (int i = 0; i < 17; ++i) {
    world.Interval();
    world.Deliver();
  }
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kInfeasible);
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("too few slots"));

  for (const std::size_t silent : {2U, 3U}) ASSERT_TRUE(world.workers[silent]->Connect(*world.hub).ok());
  world.hub->RunDue();
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kNone) << "without waiting out the backoff";
  EXPECT_EQ(world.View().summary.last_error, "");
}

TEST(HubControlTest, GpusThatAreNeededCannotBeTakenAwayAndTheExpertsAreNamed) {
  HubWorld world;
  world.ConnectAll();
  const auto refusal = [&](const ControlChange& change, bool validate_only) {
    const absl::Status status = world.hub->UpdateDeployment(world.spec.name(), change, validate_only).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    return std::string(status.message());
  };
  for (const bool validate_only : {true, false}) {
    EXPECT_THAT(refusal({.exclude_gpus = {1}, .drain_gpus = {2}}, validate_only),
                HasSubstr("usable slots 6 < experts 8: 2 experts cannot be placed in any layer; layer 0 has lost every "
                          "replica of"));
  }
  EXPECT_TRUE(world.View().summary.control->draining_gpus.empty());
  EXPECT_TRUE(world.hub->UpdateDeployment(world.spec.name(), {.drain_gpus = {2}}, false).ok());
}

TEST(HubControlTest, ARequestForADeploymentWithoutAnyGpuFailsThePrecondition) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const absl::Status status =
      world.hub->RebalanceNow({.deployment = world.spec.name(), .excluded_gpus = {0, 1}, .draining_gpus = {2, 3}})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("8 experts cannot be placed"));
}

TEST(HubControlTest, ARequestsOptionsAreHonouredOrRefused) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const auto refused = [&](PlanOverrides options) {
    return std::string(
        world.hub->RebalanceNow({.deployment = world.spec.name(), .options = std::move(options)}).status().message());
  };
  EXPECT_THAT(refused({.policy = Policy::kGlobal, .budget = MoveBudget{.per_layer = 1}}), HasSubstr("options.budget"));
  EXPECT_THAT(refused({.policy = Policy::kGlobal, .honour_groups = true}), HasSubstr("options.honour_groups"));
  EXPECT_THAT(refused({.work_limit = 5}), HasSubstr("options.work_limit"));
  EXPECT_THAT(refused({.policy = Policy::kGlobal, .work_limit = 5}), HasSubstr("options.work_limit"));
}

TEST(HubControlTest, WhatOneWindowMayFetchIsSharedByItsPlans) {
  HubOptions options;
  options.max_fetch_percent = 200;  // of 2 layers x 12 slots: 48
  options.fetch_window = 4 * options.report_interval;
  HubWorld world(options);
  world.ConnectAll();
  std::vector<int> usual;
  std::int64_t fetched = 0;
  std::int64_t fetched_before_window = 0;
  for (int interval = 0; interval < 9; ++interval) {
    if (interval % 4 == 0) fetched_before_window = fetched;
    world.Interval();
    EXPECT_EQ(world.planner.budget_told(), std::max<std::int64_t>(0, 48 - (fetched - fetched_before_window)));
    usual.push_back(world.planner.usual_told());
    if (interval % 4 == 3) {
      EXPECT_EQ(usual.back(), world.planner.budget_told()) << "the last plan has all that is left";
    }
    world.Deliver();
    fetched = world.View().summary.fetches;
  }
  EXPECT_THAT(world.Violations(), IsEmpty());
  EXPECT_GT(fetched, 48);
  EXPECT_EQ(usual[0], 12) << "a fourth of what is left";
  EXPECT_EQ(usual[4], 12);
  EXPECT_EQ(usual[8], 12);

  // A GPU that is to be emptied is, whatever the window has left.
  ASSERT_TRUE(world.hub->UpdateDeployment(world.spec.name(), {.drain_gpus = {3}}, false).ok());
  world.Interval();
  EXPECT_EQ(world.planner.budget_told(), -1);
}

TEST(HubControlTest, APlanThatIsGivenUpPublishesNothingAndLeavesNoTrace) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const DeploymentView before = world.View();
  const auto given_up = world.hub->RebalanceNow({.deployment = "prod/r1", .force = true, .stop = [] { return true; }});
  EXPECT_EQ(given_up.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(world.View().placement.version, before.placement.version);
  EXPECT_EQ(world.View().summary.last_error, "");
  EXPECT_TRUE(world.hub->RebalanceNow({.deployment = "prod/r1", .force = true})->version.is_set());
}

TEST(HubControlTest, ADrainingHubPublishesNothingMoreAndTellsEveryone) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const int plans = world.planner.plans();
  world.hub->Drain(absl::Seconds(3));
  EXPECT_TRUE(world.workers[1]->session()->Directives().draining);
  world.ReadAll();
  EXPECT_EQ(world.workers[0]->events().back().kind, WatchEvent::Kind::kDraining);
  EXPECT_EQ(world.workers[0]->events().back().reconnect_delay, absl::Seconds(3));
  world.Interval();
  EXPECT_EQ(world.planner.plans(), plans);
}

TEST(HubControlTest, DeploymentsAreListedByNameInPages) {
  HubWorld world;
  std::vector<std::unique_ptr<ModelWorker>> others;
  for (const char* name : {"b/2", "a/1", "b/1", "b/3"}) {
    const DeploymentSpec spec = *DeploymentSpec::Create(SmallSpec(name));
    others.push_back(std::make_unique<ModelWorker>(ModelWorker::Options{.spec = spec, .worker_id = "w", .num_ranks = 4},
                                                   eplb::testing::InitialPlacement(spec)));
    ASSERT_TRUE(others.back()->Connect(*world.hub).ok());
  }
  const ListPage first = *world.hub->ListDeployments({.page_size = 2, .name_prefix = "b/"});
  EXPECT_THAT(Names(first), ElementsAre("b/1", "b/2"));
  const ListPage second =
      *world.hub->ListDeployments({.page_size = 2, .page_token = first.next_page_token, .name_prefix = "b/"});
  EXPECT_THAT(Names(second), ElementsAre("b/3"));
  EXPECT_EQ(second.next_page_token, "");
  const auto visible = [](std::string_view name) { return name != "b/1"; };
  EXPECT_THAT(Names(*world.hub->ListDeployments({.visible = visible})), ElementsAre("a/1", "b/2", "b/3"));
  EXPECT_EQ(world.hub->ListDeployments({.page_size = -1}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(world.hub->ListDeployments({.page_token = "\n"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(HubControlTest, BoundsAreNamedWhereTheyAreReached) {
  HubOptions options;
  options.max_deployments = 1;
  options.max_workers_per_deployment = 4;
  options.max_watchers_per_deployment = 2;
  HubWorld world(options);
  world.ConnectAll();
  const DeploymentSpec spec = *DeploymentSpec::Create(SmallSpec("other"));
  ModelWorker other({.spec = spec, .worker_id = "w", .num_ranks = 4}, eplb::testing::InitialPlacement(spec));
  const absl::Status status = other.Connect(*world.hub);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_deployments = 1"));
  const auto second = world.hub->Watch({.deployment = "prod/r1"}, nullptr);
  ASSERT_TRUE(second.ok());
  EXPECT_THAT(std::string(world.hub->Watch({.deployment = "prod/r1"}, nullptr).status().message()),
              HasSubstr("max_watchers_per_deployment = 2"));
}

TEST(HubControlTest, ShedReportsAreAcknowledgedAndTheIntervalGrows) {
  HubOptions options;
  options.max_reports_per_second = 2;
  HubWorld world(options);
  world.ConnectAll();
  int shed = 0;
  for (const auto& worker : world.workers) shed += worker->Report()->outcome == ReportOutcome::kShed ? 1 : 0;
  EXPECT_EQ(shed, 2);
  world.clock.Advance(absl::Seconds(1));
  EXPECT_EQ(world.workers[3]->Report()->acked_sequence, 2U);
  const WorkerDirectives directives = world.workers[3]->session()->Directives();
  EXPECT_EQ(directives.report_interval, 2 * options.report_interval);
  EXPECT_EQ(directives.dropped_reports, 1U);
}

class IntervalObserver final : public HubObserver {
 public:
  void OnReportInterval(absl::Duration interval) override { intervals.push_back(interval); }

  std::vector<absl::Duration> intervals;
};

TEST(HubControlTest, EachChangeOfTheIntervalIsToldAndItsEndDoesNotSpin) {
  HubOptions options;
  options.max_reports_per_second = 2;
  IntervalObserver observer;
  HubWorld world(options, SmallSpec(), &observer);
  world.planner.changes_nothing = true;
  world.ConnectAll();
  world.ReportAll();  // four
  world.clock.Advance(absl::Seconds(1));
  world.workers[0]->Report().status().IgnoreError();
  EXPECT_THAT(observer.intervals, ElementsAre(2 * options.report_interval));
  for (int i = 0; i < 21; ++i) {  // calm for ten of the longer intervals
    world.clock.Advance(options.report_interval);
    world.workers[static_cast<std::size_t>(i) % 2]->Report().status().IgnoreError();
    world.hub->RunDue();
    EXPECT_GT(world.hub->NextDue(), world.clock.Monotonic()) << "after interval " << i;
  }
  EXPECT_THAT(observer.intervals, ElementsAre(2 * options.report_interval, options.report_interval));
  // Silence is measured by the longer one until all had time to follow; nothing is due for that alone meanwhile.
  for (int i = 0; i < 8; ++i) {
    world.clock.Advance(options.report_interval);
    world.hub->RunDue();
    EXPECT_GT(world.hub->NextDue(), world.clock.Monotonic()) << "after " << i;
  }
}

TEST(HubControlTest, ADrainingHubTakesNobodyNewAndKeepsWhomItHas) {
  HubWorld world;
  for (const std::size_t i : {0U, 1U}) ASSERT_TRUE(world.workers[i]->Connect(*world.hub).ok());
  world.hub->Drain(absl::Seconds(3));
  EXPECT_EQ(world.workers[2]->Connect(*world.hub).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(world.hub->Watch({.deployment = "prod/r1"}, nullptr).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(world.workers[1]->session()->Directives().reconnect_delay, absl::Seconds(3));
  EXPECT_TRUE(world.workers[1]->Report().ok());
}

TEST(HubControlTest, AWatchThatHasNothingToTellShowsThatItIsAlive) {
  HubWorld world;
  world.ConnectAll();
  world.ReadAll();
  const auto bookmarks = [&] {
    const auto& events = world.workers[0]->events();
    return std::count_if(events.begin(), events.end(),
                         [](const WatchEvent& event) { return event.kind == WatchEvent::Kind::kBookmark; });
  };
  const auto before = bookmarks();
  for (int i = 1; i <= 3; ++i) {
    world.clock.Advance(world.options_.bookmark_interval - absl::Seconds(1));
    world.hub->RunDue();
    world.ReadAll();
    EXPECT_EQ(bookmarks(), before + i - 1) << "not before it is due";
    world.clock.Advance(absl::Seconds(1));
    world.hub->RunDue();
    world.ReadAll();
    EXPECT_EQ(bookmarks(), before + i);
  }
}

TEST(HubControlTest, WatchesOverAllDeploymentsAreBounded) {
  HubOptions options;
  options.max_watchers = 2;
  HubWorld world(options);
  world.ConnectAll();  // one watches
  {
    const auto second = world.hub->Watch({.deployment = "prod/r1"}, nullptr);
    ASSERT_TRUE(second.ok());
    const absl::Status status = world.hub->Watch({.deployment = "prod/r1"}, nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()), HasSubstr("must be at most max_watchers = 2"));
  }
  EXPECT_TRUE(world.hub->Watch({.deployment = "prod/r1"}, nullptr).ok()) << "its end gives the place back";
}

TEST(HubControlTest, StatusOfWorkersThatAreNotKnownIsRefused) {
  HubWorld world;
  PlacementStatus status;
  status.worker_id = "worker-0";
  status.incarnation = "worker-0-1";
  status.version = {.epoch = 1, .revision = 1};
  status.state = PlacementState::kApplied;
  EXPECT_EQ(world.hub->ReportStatus("prod/r1", status).code(), absl::StatusCode::kNotFound);
  world.ConnectAll();
  EXPECT_EQ(world.hub->ReportStatus("prod/r1", status).code(), absl::StatusCode::kOk);
  status.incarnation = "former";
  EXPECT_EQ(world.hub->ReportStatus("prod/r1", status).code(), absl::StatusCode::kAborted);
  status.version = {};
  EXPECT_EQ(world.hub->ReportStatus("prod/r1", status).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace eplb
