// The Hub as its transport sees it: given workers, when something happens, then.
#include "server/planner/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(HubTest, SilentWorkersExpireThenTheirRanksAreExcludedUntilAFreshHello) {
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

TEST(HubTest, ASilentWorkerDoesNotHoldUpItsDeploymentAndItsLastLoadsCount) {
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

TEST(HubTest, WhereAllRanksSwitchAtOnceASilentOneIsNotLeftBehind) {
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

TEST(HubTest, NothingIsPublishedToASilentSubscriber) {
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

TEST(HubTest, TheMostWorkersOfAllDeploymentsIsABound) {
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

TEST(HubTest, ASecondWorkerForTheSameRankIsRefusedAndTheRankNamed) {
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

TEST(HubTest, SpecsThatDisagreeAreRefusedAndTheDifferenceNamed) {
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

TEST(HubTest, ADeploymentIsStatedAnewOnceNobodyRunsTheFormer) {
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

TEST(HubTest, OtherContentsOfTheSameVersionAreRefusedAndNamed) {
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

TEST(HubTest, ANewIncarnationTakesThePlaceOfTheFormerWhoseSessionEnds) {
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

TEST(HubTest, ASecondSubscriberIsRefused) {
  HubWorld world;
  world.ConnectAll();
  const auto watch =
      world.hub->Watch({.deployment = "prod/r1", .worker_id = "worker-1", .incarnation = "worker-1-1"}, nullptr);
  EXPECT_EQ(watch.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(watch.status().message()), HasSubstr("worker-0"));
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

TEST(HubTest, AKilledHubKnowsEverythingAgainFromTheHellos) {
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

TEST(HubTest, VersionsGoOnUpwardsWhereTheClockWentBack) {
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

TEST(HubTest, AWorkerIsAskedForTheContentsThatNobodyElseTold) {
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

TEST(HubTest, APausedDeploymentIsNotPlannedUnlessForced) {
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

TEST(HubTest, ADrainedGpuIsEmptiedWithoutWaitingForATick) {
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

TEST(HubTest, ADeploymentWithoutEnoughSlotsSaysSoUntilGpusAreRestored) {
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

TEST(HubTest, GpusThatAreNeededCannotBeTakenAwayAndTheExpertsAreNamed) {
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

TEST(HubTest, ARequestForADeploymentWithoutAnyGpuFailsThePrecondition) {
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

TEST(HubTest, ARequestsOptionsAreHonouredOrRefused) {
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
}

TEST(HubTest, ADrainingHubPublishesNothingMoreAndTellsEveryone) {
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

TEST(HubTest, DeploymentsAreListedByNameInPages) {
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

TEST(HubTest, BoundsAreNamedWhereTheyAreReached) {
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

TEST(HubTest, AnIdleDeploymentWakesNobody) {
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

TEST(HubTest, ADeploymentThatNobodyReportsForIsForgotten) {
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

TEST(HubTest, ShedReportsAreAcknowledgedAndTheIntervalGrows) {
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

TEST(HubTest, StatusOfWorkersThatAreNotKnownIsRefused) {
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
