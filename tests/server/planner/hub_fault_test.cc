// What the Hub does when clocks jump, workers flap, answers come in the wrong order, thousands come back at once, or it
// is told to stop in the middle of something.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/hub_world.h"

namespace eplb {
namespace {

using ::eplb::testing::HubWorld;
using ::eplb::testing::ModelWorker;
using ::eplb::testing::SmallSpec;
using ::testing::Each;
using ::testing::Field;
using ::testing::IsEmpty;

void RunIntervals(HubWorld& world, int count) {
  for (int i = 0; i < count; ++i) {
    world.Interval();
    world.Deliver();
  }
}

TEST(HubFaultTest, WallClockJumpsExpireNobodyAndStopNothing) {
  HubWorld world;
  world.ConnectAll();
  RunIntervals(world, 1);
  for (const absl::Duration jump : {absl::Hours(24 * 3650), -absl::Hours(24 * 7300), absl::Hours(1)}) {
    const PlacementVersion before = world.workers[0]->applied();
    world.clock.JumpWallTime(jump);
    world.hub->RunDue();
    EXPECT_EQ(world.View().summary.live_workers, 4) << jump;
    RunIntervals(world, 1);
    EXPECT_GT(world.workers[0]->applied(), before) << jump;
    EXPECT_EQ(world.workers[0]->applied().epoch, before.epoch) << "nobody took the deployment over";
  }
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubFaultTest, ClocksOfWorkersDoNotCount) {
  HubWorld world;
  world.ConnectAll();
  const std::vector<std::uint64_t> tokens(2 * 3, 100);
  std::uint64_t sequence = 0;
  for (const absl::Duration skew : {-absl::Hours(24 * 365), absl::Hours(24 * 365), absl::ZeroDuration()}) {
    ++sequence;
    for (const auto& worker : world.workers) {
      LoadReportView report;
      report.sequence = sequence;
      report.end_time = world.clock.Now() + skew;
      report.window = absl::Seconds(5);
      report.placement = worker->applied();
      report.slot_tokens = tokens;
      const absl::StatusOr<ReportResult> result = worker->session()->Report(report);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->outcome, ReportOutcome::kFolded) << skew;
    }
    world.clock.Advance(absl::Seconds(5));
    world.hub->RunDue();
    EXPECT_EQ(world.planner.plans(), static_cast<int>(sequence)) << skew;
    world.Deliver();
  }
}

TEST(HubFaultTest, AWorkerThatFlapsLeavesOneRecordAndHoldsNobodyUp) {
  HubWorld world;
  world.ConnectAll();
  RunIntervals(world, 1);
  const PlacementVersion before = world.workers[0]->applied();
  ModelWorker& flapping = *world.workers[2];
  for (int i = 0; i < 300; ++i) {
    i % 3 == 0 ? flapping.Restart() : flapping.Disconnect();
    ASSERT_TRUE(flapping.Connect(*world.hub).ok());
    if (i % 30 == 0) RunIntervals(world, 1);
  }
  RunIntervals(world, 2);
  const DeploymentView view = world.View();
  EXPECT_EQ(view.workers.size(), 4U);
  EXPECT_EQ(view.summary.live_workers, 4);
  EXPECT_GE(world.workers[0]->applied().revision, before.revision + 10) << "a plan in each interval all the same";
  EXPECT_EQ(view.in_force.version, world.workers[0]->applied());
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubFaultTest, AnswersInTheWrongOrderDoNotTakeBackWhatIsInForce) {
  HubWorld world;
  world.ConnectAll();
  std::vector<PlacementStatus> told;
  for (int version = 1; version <= 3; ++version) {
    world.Interval();
    world.ReadAll();
    for (const PlacementStatus& status : world.workers[0]->DoWork()) {
      told.push_back(status);
      if (status.state == PlacementState::kApplied) world.workers[0]->Tell(status);
    }
  }
  ASSERT_EQ(world.workers[0]->applied().revision, 3);
  std::reverse(told.begin(), told.end());
  for (const PlacementStatus& status : told) {
    world.workers[0]->Tell(status);
    EXPECT_EQ(world.View().in_force.version.revision, 3);
    EXPECT_EQ(world.View().workers[0].applied.revision, 3);
  }
  RunIntervals(world, 1);
  EXPECT_EQ(world.workers[0]->applied().revision, 4);
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubFaultTest, HellosAloneBringEverythingBack) {
  for (const CoordinationMode mode : {CoordinationMode::kOneSubscriber, CoordinationMode::kAllRanks}) {
    HubWorld world({}, SmallSpec("prod/r1", mode));
    world.ConnectAll();
    RunIntervals(world, 3);
    const DeploymentView before = world.View();
    world.KillHub();
    world.ConnectAll();
    world.hub->RunDue();
    const DeploymentView after = world.View();
    EXPECT_EQ(after.in_force.version, before.in_force.version);
    EXPECT_EQ(*after.in_force.placement, *before.in_force.placement);
    EXPECT_EQ(after.summary.live_workers, 4);
    EXPECT_EQ(world.planner.plans(), 3) << "no report came yet";
  }
}

TEST(HubFaultTest, TwoThousandWorkersThatComeBackAtOnceAreAllThere) {
  constexpr int kWorkers = 2000;
  DeploymentSpecOptions options = SmallSpec();
  options.topology = {.num_gpus = kWorkers, .num_slots = kWorkers};
  HubWorld world({}, options);
  for (int storm = 0; storm < 2; ++storm) {
    world.ConnectAll();
    EXPECT_EQ(world.View().summary.live_workers, kWorkers);
    EXPECT_EQ(world.View().summary.missing_ranks, 0);
    RunIntervals(world, 1);
    EXPECT_EQ(world.View().in_force.version, world.workers[0]->applied());
    world.KillHub();
  }
  EXPECT_EQ(world.workers[0]->applied().revision, 1) << "the first of the second hub's epoch";
  EXPECT_THAT(world.Violations(), IsEmpty());
}

// All ranks prepare a version, and the hub is told to stop when `prepared` of them have said so.
void DrainWhenSomePrepared(std::size_t prepared) {
  HubWorld world({}, SmallSpec("prod/r1", CoordinationMode::kAllRanks));
  world.ConnectAll();
  RunIntervals(world, 2);
  const PlacementVersion former = world.workers[0]->applied();
  world.Interval();
  world.ReadAll();
  for (std::size_t i = 0; i < prepared; ++i) world.workers[i]->Work();
  world.hub->Drain(absl::Seconds(1));
  world.ReadAll();
  for (const auto& worker : world.workers) {
    EXPECT_THAT(worker->events(), ::testing::Contains(Field(&WatchEvent::kind, WatchEvent::Kind::kDraining)));
  }
  world.Deliver();
  world.KillHub();
  world.ConnectAll();
  world.Deliver();
  std::vector<PlacementVersion> applied;
  for (const auto& worker : world.workers) applied.push_back(worker->applied());
  EXPECT_THAT(applied, Each(applied[0])) << "all have switched, or none";
  EXPECT_GE(applied[0], former);
  RunIntervals(world, 2);
  EXPECT_GT(world.workers[0]->applied(), applied[0]) << "and the next hub goes on";
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubFaultTest, AHubThatStopsInTheMiddleOfARolloutLeavesNothingHalfPublished) {
  for (std::size_t prepared = 0; prepared <= 4; ++prepared) {
    SCOPED_TRACE(prepared);
    DrainWhenSomePrepared(prepared);
  }
}

}  // namespace
}  // namespace eplb
