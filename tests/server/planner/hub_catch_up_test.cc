// Workers that are late with the placement in force, or with telling it: they are sent it again, named, and not waited
// for without a bound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/hub_world.h"

namespace eplb {
namespace {

using ::eplb::testing::HubWorld;
using ::eplb::testing::ModelWorker;
using ::eplb::testing::SmallSpec;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BehindObserver final : public HubObserver {
 public:
  class Deployment final : public DeploymentObserver {
   public:
    explicit Deployment(int& behind) : behind_(behind) {}
    void OnBehind(int workers) override { behind_ = workers; }

   private:
    int& behind_;
  };
  std::unique_ptr<DeploymentObserver> OnDeployment(const DeploymentSpec& /*spec*/) override {
    return std::make_unique<Deployment>(behind);
  }

  int behind = 0;
};

DeploymentSpecOptions AllRanks() { return SmallSpec("prod/r1", CoordinationMode::kAllRanks); }

// All of a world's workers but one do what they are told.
void DeliverToAllBut(HubWorld& world, std::size_t deaf) {
  for (int round = 0; round < 8; ++round) {
    for (std::size_t i = 0; i < world.workers.size(); ++i) {
      if (i == deaf) continue;
      while (world.workers[i]->ReadEvent()) {
      }
      world.workers[i]->Work();
    }
  }
}

// Until `until`, workers report all the time and those that are not deaf do what they are told.
void Pass(HubWorld& world, absl::Duration time, std::size_t deaf) {
  for (absl::Duration passed; passed < time; passed += world.options_.report_interval) {
    world.Interval();
    DeliverToAllBut(world, deaf);
  }
}

// Paused, so that the version of the first interval stays the newest.
void PublishOne(HubWorld& world) {
  world.ConnectAll();
  world.Interval();
  ASSERT_TRUE(world.hub->UpdateDeployment("prod/r1", {.mode = DeploymentMode::kPaused}, false).ok());
}

TEST(HubCatchUpTest, ARankThatMissedTheCommitIsNamedAndSentItAgainUntilItApplies) {
  BehindObserver observer;
  HubWorld world({}, AllRanks(), &observer);
  PublishOne(world);
  world.ReadAll();
  world.WorkAll();            // all have prepared
  DeliverToAllBut(world, 3);  // and three of four get the commit
  const PlacementVersion version = world.workers[0]->applied();
  ASSERT_TRUE(version.is_set());
  while (world.workers[3]->ReadEvent()) {  // it reads the commit, and its engine never gets it
  }
  world.workers[3]->DoWork();
  world.workers[3]->Restart();
  ASSERT_TRUE(world.workers[3]->Connect(*world.hub).ok());
  ASSERT_TRUE(world.workers[3]->ReadEvent());  // sent it in full, and lost
  Pass(world, 2 * world.options_.apply_timeout, 3);
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("worker 'worker-3' did not apply version"));
  EXPECT_EQ(observer.behind, 1);
  EXPECT_EQ(world.View().summary.applied_workers, 3);

  world.Deliver();
  EXPECT_EQ(world.workers[3]->applied(), version);
  ASSERT_EQ(world.workers[3]->events().back().kind, WatchEvent::Kind::kUpdate);
  EXPECT_TRUE(world.workers[3]->events().back().update->full);
  EXPECT_EQ(observer.behind, 0);
  EXPECT_EQ(world.View().summary.last_error, "");
  EXPECT_THAT(world.Violations(), IsEmpty());
}

TEST(HubCatchUpTest, ASubscriberThatStartedAnewAndDoesNotAnswerIsSentThePlacementAgain) {
  BehindObserver observer;
  HubWorld world({}, SmallSpec(), &observer);
  PublishOne(world);
  world.Deliver();
  const PlacementVersion version = world.workers[0]->applied();
  world.workers[0]->Restart();
  ASSERT_TRUE(world.workers[0]->Connect(*world.hub).ok());
  ASSERT_TRUE(world.workers[0]->ReadEvent());
  const std::size_t events = world.workers[0]->events().size();
  Pass(world, world.options_.apply_timeout, 0);
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("worker 'worker-0' did not apply"));
  EXPECT_EQ(observer.behind, 1);
  while (world.workers[0]->ReadEvent()) {
  }
  EXPECT_GT(world.workers[0]->events().size(), events);
  world.Deliver();
  EXPECT_EQ(world.workers[0]->applied(), version);
  EXPECT_EQ(observer.behind, 0);
}

TEST(HubCatchUpTest, WhoAppliesInTimeIsNeverSentAPlacementTwice) {
  BehindObserver observer;
  HubWorld world({}, AllRanks(), &observer);
  PublishOne(world);
  world.Deliver();
  const auto updates = [&] {
    return std::count_if(world.workers[2]->events().begin(), world.workers[2]->events().end(),
                         [](const WatchEvent& event) { return event.kind == WatchEvent::Kind::kUpdate; });
  };
  const auto before = updates();
  Pass(world, 3 * world.options_.apply_timeout, 99);
  EXPECT_EQ(updates(), before);
  EXPECT_EQ(observer.behind, 0);
}

TEST(HubCatchUpTest, AnAbortedVersionThatAWorkerTurnsOutToRunReachesTheOthers) {
  HubWorld world({}, AllRanks());
  world.ConnectAll();
  world.Interval();
  world.ReadAll();
  world.WorkAll();  // all prepared
  world.workers[0]->ReadEvent();
  world.workers[0]->Work();  // one got the commit
  const PlacementVersion version = world.workers[0]->applied();
  ASSERT_TRUE(version.is_set());
  world.KillHub();
  // A rank that staged it is there first, and told to drop it.
  ASSERT_TRUE(world.workers[1]->Connect(*world.hub).ok());
  PlacementStatus prepared;
  prepared.worker_id = "worker-1";
  prepared.incarnation = "worker-1-1";
  prepared.version = version;
  prepared.state = PlacementState::kPrepared;
  world.workers[1]->Tell(prepared);
  ASSERT_TRUE(world.workers[1]->Connect(*world.hub).ok());  // its watch came again after that
  while (world.workers[1]->ReadEvent()) {
  }
  for (const std::size_t other : {0U, 2U, 3U}) ASSERT_TRUE(world.workers[other]->Connect(*world.hub).ok());
  world.Deliver();
  for (const auto& worker : world.workers) EXPECT_EQ(worker->applied(), version);
  EXPECT_THAT(world.Violations(), IsEmpty());
}

// A worker whose hello tells of a version that nobody knows, and that never tells what is in it.
std::unique_ptr<TelemetrySession> OpenSecretive(HubWorld& world) {
  class Listener final : public TelemetryListener {
    void OnDirectives() override {}
    void OnEnded(const absl::Status& /*status*/) override {}
  };
  WorkerHello hello{.spec = world.spec};
  hello.worker_id = "worker-3";
  hello.incarnation = "secretive";
  hello.first_rank = 3;
  hello.num_ranks = 1;
  hello.applied = {.epoch = 1, .revision = 9};
  hello.user_agent = "engine/1";
  auto session = world.hub->OpenWorker(hello, std::make_shared<Listener>());
  EXPECT_TRUE(session.ok()) << session.status();
  return *std::move(session);
}

TEST(HubCatchUpTest, AWorkerThatDoesNotTellItsPlacementIsNamedAndWaitedForWithABound) {
  HubWorld world;
  for (const std::size_t i : {0U, 1U, 2U}) ASSERT_TRUE(world.workers[i]->Connect(*world.hub).ok());
  const auto secretive = OpenSecretive(world);
  EXPECT_EQ(world.View().workers[3].user_agent, "engine/1");
  LoadReportView report;
  report.window = absl::Seconds(5);
  const std::vector<std::uint64_t> tokens(16, 5);
  report.expert_tokens = tokens;
  const auto pass = [&](absl::Duration time) {
    for (absl::Duration passed; passed < time; passed += world.options_.report_interval) {
      ++report.sequence;
      ASSERT_TRUE(secretive->Report(report).ok());
      world.Interval();
      world.Deliver();
    }
  };
  pass(absl::Seconds(50));
  EXPECT_EQ(world.planner.plans(), 0);
  EXPECT_THAT(world.View().summary.awaiting, HasSubstr("worker 'worker-3' to tell the placement in force"));
  pass(absl::Seconds(20));
  EXPECT_GT(world.planner.plans(), 0);
  EXPECT_GT(world.workers[0]->applied(), (PlacementVersion{.epoch = 1, .revision = 9}));
}

TEST(HubCatchUpTest, AWorkerThatDiedBeforeItToldItsPlacementHoldsNobodyUp) {
  HubOptions options;
  options.apply_timeout = absl::Hours(1);
  HubWorld world(options);
  for (const std::size_t i : {0U, 1U, 2U}) ASSERT_TRUE(world.workers[i]->Connect(*world.hub).ok());
  OpenSecretive(world).reset();
  Pass(world, 4 * options.report_interval + options.liveness.exclude_grace, 99);
  EXPECT_GT(world.planner.plans(), 0);
}

TEST(HubCatchUpTest, AWorkerThatIsExcludedAtOnceAbortsWhatItHadToPrepare) {
  HubOptions options;
  options.liveness.exclude_grace = absl::ZeroDuration();
  HubWorld world(options, AllRanks());
  world.ConnectAll();
  world.Interval();
  world.ReadAll();
  for (const std::size_t i : {0U, 1U, 2U}) world.workers[i]->Work();
  world.workers[3]->Disconnect();
  for (int i = 0; i < options.liveness.expire_after_intervals; ++i) world.Interval();
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("aborted by worker 'worker-3'"));
}

TEST(HubCatchUpTest, WhoIsAwaitedIsSaid) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  EXPECT_THAT(world.View().summary.awaiting, HasSubstr("worker 'worker-0' to apply version"));
  world.Deliver();
  EXPECT_EQ(world.View().summary.awaiting, "");
  world.workers[0]->Disconnect();  // it reports no more, and watches no more
  EXPECT_THAT(world.View().summary.awaiting, HasSubstr("worker 'worker-0', or another, to watch placements"));

  HubWorld ranks({}, AllRanks());
  ranks.ConnectAll();
  ranks.Interval();
  EXPECT_THAT(ranks.View().summary.awaiting,
              HasSubstr("workers 'worker-0', 'worker-1', 'worker-2' and 1 more to prepare version"));
  ranks.Deliver();
  ranks.workers[2]->Disconnect();
  EXPECT_THAT(ranks.View().summary.awaiting, HasSubstr("worker 'worker-2' to watch placements"));
}

TEST(HubCatchUpTest, NothingIsForcedWhereNobodyWouldGetIt) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const PlacementVersion before = world.View().in_force.version;
  world.workers[0]->Disconnect();
  const auto forced = world.hub->RebalanceNow({.deployment = "prod/r1", .force = true});
  ASSERT_TRUE(forced.ok()) << forced.status();
  EXPECT_FALSE(forced->version.is_set());
  EXPECT_EQ(forced->plan.unchanged, UnchangedReason::kAwaitingWorkers);
  EXPECT_EQ(world.View().in_force.version, before) << "what nobody runs is not in force";
}

}  // namespace
}  // namespace eplb
