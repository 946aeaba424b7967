// How the Hub plans, publishes and awaits answers, as its transport sees it: given workers, when something happens,
// then.
#include "server/planner/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/hub_world.h"

namespace eplb {
namespace {

using ::eplb::testing::HubWorld;
using ::eplb::testing::SmallSpec;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PlacementVersion AppliedBy(const HubWorld& world, std::size_t worker) { return world.workers[worker]->applied(); }

TEST(HubTest, ReportsBecomeAPlacementThatTheSubscriberApplies) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();

  EXPECT_THAT(world.Violations(), IsEmpty());
  EXPECT_EQ(AppliedBy(world, 0).revision, 1);
  const DeploymentView view = world.View();
  EXPECT_EQ(view.in_force.version, AppliedBy(world, 0));
  EXPECT_EQ(*view.in_force.placement, world.workers[0]->placement());
  EXPECT_EQ(view.summary.applied_workers, 4) << "the one subscriber reports for all";
  EXPECT_EQ(view.workers[0].state, PlacementState::kApplied);
  EXPECT_EQ(view.summary.unchanged_reason, UnchangedReason::kNone);
}

TEST(HubTest, SharesAloneAreAVersionAndTheNextPlanKnowsThem) {
  HubWorld world;
  world.planner.only_shares = true;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  EXPECT_THAT(world.Violations(), IsEmpty());
  EXPECT_EQ(AppliedBy(world, 0).revision, 1);
  EXPECT_EQ(*world.View().in_force.placement, testing::InitialPlacement(world.spec));
  ASSERT_NE(world.View().in_force.slot_shares, nullptr);
  EXPECT_EQ(world.planner.shares_told(), 0);
  world.Interval();
  EXPECT_EQ(world.planner.shares_told(), 24);
}

TEST(HubTest, NothingIsPlannedUntilEveryRankIsReportedFor) {
  HubWorld world;
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(world.workers[i]->Connect(*world.hub).ok());
  world.Interval();
  EXPECT_EQ(world.planner.plans(), 0);
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kWarmingUp);
  EXPECT_EQ(world.View().summary.missing_ranks, 1);

  ASSERT_TRUE(world.workers[3]->Connect(*world.hub).ok());
  world.Interval();
  EXPECT_EQ(world.planner.plans(), 1);
}

TEST(HubTest, TheFirstPlanWaitsForTheLoadsOfEveryLiveWorker) {
  HubWorld world;
  world.ConnectAll();
  for (const auto& worker : world.workers) ASSERT_TRUE(worker->AnswerDirectives().ok());
  ASSERT_TRUE(world.workers[0]->Report().ok());  // of its own slots: for the other experts it says nothing
  world.clock.Advance(world.options_.report_interval);
  world.hub->RunDue();
  EXPECT_EQ(world.planner.plans(), 0);
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kWarmingUp);

  world.Interval();
  EXPECT_EQ(world.planner.plans(), 1);
}

TEST(HubTest, AWorkerThatNeverReportsHoldsNobodyUpForLong) {
  HubWorld world;
  world.ConnectAll();
  for (int interval = 0; interval < 4; ++interval) {
    for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(world.workers[i]->Report().ok());
    ASSERT_TRUE(world.workers[3]->Connect(*world.hub).ok());  // alive, by its hellos
    world.clock.Advance(world.options_.report_interval);
    world.hub->RunDue();
  }
  EXPECT_EQ(world.planner.plans(), 1);
}

TEST(HubTest, TheNextPlanWaitsForTheAnswerToTheLast) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Interval();
  EXPECT_EQ(world.planner.plans(), 1);
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kAwaitingWorkers);

  world.Deliver();
  world.Interval();
  EXPECT_EQ(world.planner.plans(), 2);
}

TEST(HubTest, ARejectedVersionLeavesTheFormerInForceAndIsTriedAgainLater) {
  HubOptions options;
  options.rejection_backoff = absl::Seconds(60);
  HubWorld world(options);
  world.ConnectAll();
  world.Interval();
  world.ReadAll();
  world.workers[0]->Work(RejectionReason::kOutOfMemory);

  EXPECT_FALSE(world.View().in_force.version.is_set());
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("worker-0"));
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("out_of_memory"));
  world.Interval();
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kBackingOff);
  for (int i = 0; i < 12; ++i) world.Interval();
  world.Deliver();
  EXPECT_EQ(AppliedBy(world, 0).revision, 2);
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubTest, AWorkerThatNeverAnswersIsTimedOutAndNamed) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  for (int i = 0; i < 13; ++i) world.Interval();
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("timed_out by worker 'worker-0'"));

  for (int i = 0; i < 4; ++i) world.Interval();
  world.Deliver();
  EXPECT_EQ(AppliedBy(world, 0).revision, 2) << "it gets the newest, once it reads again";
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubTest, AWatcherThatMissedVersionsGetsOneEventFromItsOwnBase) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const PlacementVersion base = AppliedBy(world, 0);
  auto onlooker = *world.hub->Watch({.deployment = "prod/r1", .resume_after = base}, nullptr);
  ASSERT_EQ(onlooker->NextEvent()->kind, WatchEvent::Kind::kBookmark);
  for (int i = 0; i < 3; ++i) {
    world.Interval();
    world.Deliver();
  }
  const std::optional<WatchEvent> event = onlooker->NextEvent();
  ASSERT_TRUE(event && event->update != nullptr);
  EXPECT_EQ(event->version, AppliedBy(world, 0));
  EXPECT_FALSE(event->update->full);
  EXPECT_EQ(event->update->base, base);
  EXPECT_FALSE(onlooker->NextEvent().has_value());
}

TEST(HubTest, AnOnlookerWithNothingGetsTheWholePlacement) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  auto onlooker = *world.hub->Watch({.deployment = "prod/r1"}, nullptr);
  const std::optional<WatchEvent> event = onlooker->NextEvent();
  ASSERT_TRUE(event && event->update != nullptr);
  EXPECT_TRUE(event->update->full);
  EXPECT_EQ(*event->update->target.placement, world.workers[0]->placement());
}

TEST(HubTest, AnOnlookerIsToldThatWhatItWasShownWasRejected) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  auto onlooker = *world.hub->Watch({.deployment = "prod/r1"}, nullptr);
  const PlacementVersion first = onlooker->NextEvent()->version;
  world.Interval();
  const PlacementVersion second = onlooker->NextEvent()->version;
  EXPECT_GT(second, first);
  world.ReadAll();
  world.workers[0]->Work(RejectionReason::kTransferFailed);
  const std::optional<WatchEvent> event = onlooker->NextEvent();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, WatchEvent::Kind::kAbort);
  EXPECT_EQ(event->version, second);
  EXPECT_EQ(event->worker_id, "worker-0");
}

TEST(HubTest, AllRanksPrepareBeforeAnyOneSwitches) {
  HubWorld world({}, SmallSpec("prod/r1", CoordinationMode::kAllRanks));
  world.ConnectAll();
  world.Interval();
  for (std::size_t i = 0; i < 3; ++i) {
    while (world.workers[i]->ReadEvent()) {
    }
    world.workers[i]->Work();
  }
  world.ReadAll();
  for (const auto& worker : world.workers) EXPECT_FALSE(worker->applied().is_set());
  world.workers[3]->Work();
  world.Deliver();
  for (const auto& worker : world.workers) EXPECT_EQ(worker->applied().revision, 1);
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubTest, OneRankThatCannotPrepareAbortsTheVersionForAll) {
  HubWorld world({}, SmallSpec("prod/r1", CoordinationMode::kAllRanks));
  world.ConnectAll();
  world.Interval();
  world.ReadAll();
  for (std::size_t i = 0; i < 3; ++i) world.workers[i]->Work();
  world.workers[3]->Work(RejectionReason::kOutOfMemory);
  world.ReadAll();
  for (const auto& worker : world.workers) {
    EXPECT_EQ(worker->events().back().kind, WatchEvent::Kind::kAbort);
    EXPECT_EQ(worker->events().back().worker_id, "worker-3");
    EXPECT_FALSE(worker->applied().is_set());
  }
  for (int i = 0; i < 3; ++i) {
    world.Interval();
    world.Deliver();
  }
  for (const auto& worker : world.workers) EXPECT_EQ(worker->applied(), AppliedBy(world, 0));
  EXPECT_TRUE(AppliedBy(world, 0).is_set());
}

TEST(HubTest, ADeltaThatDoesNotFitIsFollowedByTheWholePlacement) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  world.Interval();
  world.ReadAll();
  world.workers[0]->Work(RejectionReason::kBaseMismatch);
  EXPECT_TRUE(world.View().placement.version > AppliedBy(world, 0)) << "it is still on its way";
  world.Deliver();
  EXPECT_TRUE(world.workers[0]->events().back().update->full);
  EXPECT_EQ(AppliedBy(world, 0).revision, 2);
}

}  // namespace
}  // namespace eplb
