// Who belongs to a deployment: hellos that are taken or refused, workers that fall silent, and what a new Hub learns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

PlacementVersion AppliedBy(const HubWorld& world, std::size_t worker) { return world.workers[worker]->applied(); }

TEST(HubMembershipTest, SilentWorkersExpireThenTheirRanksAreExcludedUntilAFreshHello) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  world.workers[3]->Disconnect();
  for (int i = 0; i < 3; ++i) {
    world.Interval();
    world.Deliver();
  }
  EXPECT_EQ(world.View().workers[3].liveness, Liveness::kExpired);
  for (int i = 0; i < 13; ++i) {
    world.Interval();
    world.Deliver();
  }
  EXPECT_EQ(world.View().workers[3].liveness, Liveness::kExcluded);
  const Placement& without = *world.View().in_force.placement;
  EXPECT_THAT(without.layer(0).subspan(9, 3), Each(kEmptySlot));

  ASSERT_TRUE(world.workers[3]->Connect(*world.hub).ok());
  EXPECT_EQ(world.View().workers[3].liveness, Liveness::kLive);
  world.Interval();
  world.Deliver();
  EXPECT_THAT(world.View().in_force.placement->layer(0).subspan(9, 3), Each(::testing::Ge(0)));
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubMembershipTest, ASilentWorkerDoesNotHoldUpItsDeploymentAndItsLastLoadsCount) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const double tokens = world.planner.newest_tokens();
  world.workers[3]->Disconnect();
  for (int i = 0; i < 13; ++i) {  // 3 intervals until it expires and 60 s of grace, from its report on
    const int plans = world.planner.plans();
    world.Interval();
    world.Deliver();
    EXPECT_EQ(world.planner.plans(), plans + 1) << "interval " << i;
    EXPECT_DOUBLE_EQ(world.planner.newest_tokens(), tokens) << "interval " << i;
  }
  EXPECT_EQ(world.View().workers[3].liveness, Liveness::kExpired);
  world.Interval();
  world.Interval();
  EXPECT_EQ(world.View().workers[3].liveness, Liveness::kExcluded);
  EXPECT_LT(world.planner.newest_tokens(), tokens) << "no longer than that";
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubMembershipTest, WhereAllRanksSwitchAtOnceASilentOneIsNotLeftBehind) {
  HubWorld world({}, SmallSpec("prod/r1", CoordinationMode::kAllRanks));
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  world.workers[3]->Disconnect();
  for (int i = 0; i < 4; ++i) {
    world.Interval();
    world.Deliver();
  }
  ASSERT_EQ(world.View().workers[3].liveness, Liveness::kExpired);
  const PlacementVersion before = world.View().in_force.version;
  for (int i = 0; i < 8; ++i) {
    world.Interval();
    world.Deliver();
  }
  EXPECT_EQ(world.View().in_force.version, before);
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kAwaitingWorkers);
  for (int i = 0; i < 6; ++i) {
    world.Interval();
    world.Deliver();
  }
  EXPECT_GT(world.View().in_force.version, before) << "once it is given up";
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubMembershipTest, NothingIsPublishedToASilentSubscriber) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const auto others_report = [&] {
    for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(world.workers[i]->Report().ok());
    world.clock.Advance(absl::Seconds(5));
    world.hub->RunDue();
  };
  for (int i = 0; i < 4; ++i) others_report();
  ASSERT_EQ(world.View().workers[0].liveness, Liveness::kExpired);
  world.Deliver();  // it still reads
  const int plans = world.planner.plans();
  for (int i = 0; i < 3; ++i) others_report();
  EXPECT_EQ(world.planner.plans(), plans);
  EXPECT_EQ(world.View().summary.unchanged_reason, UnchangedReason::kAwaitingWorkers);
}

TEST(HubMembershipTest, TheMostWorkersOfAllDeploymentsIsABound) {
  HubOptions options;
  options.max_workers = 3;
  HubWorld world(options);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(world.workers[i]->Connect(*world.hub).ok());
  const absl::Status status = world.workers[3]->Connect(*world.hub);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_workers = 3"));
  world.workers[0]->Disconnect();
  EXPECT_TRUE(world.workers[3]->Connect(*world.hub).ok());
}

TEST(HubMembershipTest, ASecondWorkerForTheSameRankIsRefusedAndTheRankNamed) {
  HubWorld world;
  world.ConnectAll();
  ModelWorker other({.spec = world.spec, .worker_id = "impostor", .first_rank = 2},
                    eplb::testing::InitialPlacement(world.spec));
  const absl::Status status = other.Connect(*world.hub);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("rank 2"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("worker-2"));
  EXPECT_EQ(world.View().workers.size(), 4U);
}

TEST(HubMembershipTest, SpecsThatDisagreeAreRefusedAndTheDifferenceNamed) {
  HubWorld world;
  world.ConnectAll();
  DeploymentSpecOptions different = SmallSpec();
  different.num_experts = 6;
  const DeploymentSpec spec = *DeploymentSpec::Create(different);
  ModelWorker other({.spec = spec, .worker_id = "worker-3", .first_rank = 3}, eplb::testing::InitialPlacement(spec));
  const absl::Status status = other.Connect(*world.hub);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("num_experts is 8 and was told as 6"));
}

TEST(HubMembershipTest, ADeploymentIsStatedAnewOnceNobodyRunsTheFormer) {
  HubWorld world;
  ASSERT_TRUE(world.workers[0]->Connect(*world.hub).ok());
  world.workers[0]->session()->Close(/*departed=*/true);
  DeploymentSpecOptions different = SmallSpec();
  different.num_experts = 6;
  const DeploymentSpec spec = *DeploymentSpec::Create(different);
  ModelWorker other({.spec = spec, .worker_id = "worker-0", .num_ranks = 4}, eplb::testing::InitialPlacement(spec));
  ASSERT_TRUE(other.Connect(*world.hub).ok());
  EXPECT_EQ(world.View().spec->num_experts(), 6);
  other.Disconnect();
}

TEST(HubMembershipTest, OtherContentsOfTheSameVersionAreRefusedAndNamed) {
  HubWorld world;
  world.ConnectAll();
  std::vector<std::int32_t> cells(world.workers[0]->placement().physical_to_logical().begin(),
                                  world.workers[0]->placement().physical_to_logical().end());
  std::swap(cells[0], cells[1]);
  ModelWorker other({.spec = world.spec, .worker_id = "worker-3", .first_rank = 3},
                    *Placement::Create(2, 8, 12, std::move(cells)));
  const absl::Status status = other.Connect(*world.hub);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layers[0].physical_to_logical[0]"));
}

TEST(HubMembershipTest, ANewIncarnationTakesThePlaceOfTheFormerWhoseSessionEnds) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  ModelWorker& worker = *world.workers[0];
  auto former = *world.hub->OpenWorker(
      [&] {
        WorkerHello hello{.spec = world.spec};
        hello.worker_id = "worker-0";
        hello.incarnation = "elsewhere";
        hello.num_ranks = 1;
        hello.current = eplb::testing::InitialPlacement(world.spec);
        return hello;
      }(),
      nullptr);
  EXPECT_EQ(worker.Report().status().code(), absl::StatusCode::kAborted);
  worker.Restart();
  ASSERT_TRUE(worker.Connect(*world.hub).ok());
  EXPECT_EQ(former->Report({}).status().code(), absl::StatusCode::kAborted);
  world.Deliver();
  EXPECT_EQ(worker.applied().revision, 1) << "the newest version is what it is brought to";
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubMembershipTest, ASecondSubscriberIsRefused) {
  HubWorld world;
  world.ConnectAll();
  const auto watch =
      world.hub->Watch({.deployment = "prod/r1", .worker_id = "worker-1", .incarnation = "worker-1-1"}, nullptr);
  EXPECT_EQ(watch.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(watch.status().message()), HasSubstr("worker-0"));
}

TEST(HubMembershipTest, AKilledHubKnowsEverythingAgainFromTheHellos) {
  HubWorld world;
  world.ConnectAll();
  for (int i = 0; i < 3; ++i) {
    world.Interval();
    world.Deliver();
  }
  const PlacementVersion before = AppliedBy(world, 0);
  EXPECT_EQ(world.hub->UpdateDeployment("prod/r1", {.drain_gpus = {2}, .comment = "fan"}, false)->comment, "fan");
  world.ReportAll();
  world.KillHub();
  EXPECT_EQ(world.hub->GetPlacement("prod/r1").status().code(), absl::StatusCode::kNotFound);

  world.clock.Advance(absl::Seconds(1));
  world.ConnectAll();
  EXPECT_EQ(world.View().in_force.version, before);
  EXPECT_EQ(*world.View().in_force.placement, world.workers[0]->placement());
  EXPECT_THAT(world.View().summary.control->draining_gpus, ElementsAre(2));
  world.Interval();
  world.Deliver();
  EXPECT_GT(AppliedBy(world, 0), before);
  EXPECT_GT(AppliedBy(world, 0).epoch, before.epoch);
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubMembershipTest, VersionsGoOnUpwardsWhereTheClockWentBack) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const PlacementVersion before = AppliedBy(world, 0);
  world.KillHub();
  world.clock.JumpWallTime(-absl::Hours(24));
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  EXPECT_GT(AppliedBy(world, 0), before);
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubMembershipTest, AWorkerIsAskedForTheContentsThatNobodyElseTold) {
  HubWorld world;
  world.workers.clear();
  for (int rank = 0; rank < 4; ++rank) {
    world.workers.push_back(
        std::make_unique<ModelWorker>(ModelWorker::Options{.spec = world.spec,
                                                           .worker_id = "worker-" + std::to_string(rank),
                                                           .first_rank = rank,
                                                           .watches = rank == 0,
                                                           .hello_with_contents = false},
                                      eplb::testing::InitialPlacement(world.spec)));
  }
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  world.KillHub();
  world.ConnectAll();
  EXPECT_THAT(world.problems, IsEmpty());
  EXPECT_EQ(world.View().in_force.version, AppliedBy(world, 0));
}

TEST(HubMembershipTest, AnIdleDeploymentWakesNobody) {
  HubOptions options;
  options.deployment_retention = absl::Hours(1);
  HubWorld world(options);
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  for (const auto& worker : world.workers) worker->Disconnect();
  for (int i = 0; i < 20; ++i) world.Interval();  // expired, excluded, timed out
  int run = 0;
  for (int i = 0; i < 600; ++i) {
    world.clock.Advance(absl::Seconds(5));
    run += world.hub->RunDue();
  }
  EXPECT_EQ(run, 0) << "in 50 minutes";
}

TEST(HubMembershipTest, ADeploymentThatNobodyReportsForIsForgotten) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  for (const auto& worker : world.workers) worker->Disconnect();
  for (int i = 0; i < 20 && world.hub->NextDue() != absl::InfiniteDuration(); ++i) {
    world.clock.Advance(world.hub->NextDue() - world.clock.Monotonic());
    world.hub->RunDue();
  }
  EXPECT_EQ(world.hub->NextDue(), absl::InfiniteDuration()) << "it costs nothing any more";
  EXPECT_EQ(world.hub->GetPlacement("prod/r1").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace eplb
