// What a worker's word is worth: it brings the control back that operators gave a former server, and commands nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/hub_world.h"

namespace eplb {
namespace {

using ::eplb::testing::HubWorld;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Listener final : public TelemetryListener {
 public:
  void OnDirectives() override {}
  void OnEnded(const absl::Status& /*status*/) override {}
};

// What the deployment's control is after worker 3 comes with this one.
DeploymentControl ControlAfter(HubWorld& world, const DeploymentControl& control) {
  WorkerHello hello{.spec = world.spec};
  hello.worker_id = "worker-3";
  hello.incarnation = "another";
  hello.first_rank = 3;
  hello.num_ranks = 1;
  hello.current = eplb::testing::InitialPlacement(world.spec);
  hello.control = control;
  const auto session = world.hub->OpenWorker(hello, std::make_shared<Listener>());
  EXPECT_TRUE(session.ok()) << session.status();
  return *world.View().summary.control;
}

DeploymentControl Paused(absl::Time update_time) {
  return {.mode = DeploymentMode::kPaused, .update_time = update_time, .comment = "by a worker"};
}

TEST(HubTrustTest, AControlThatAnOperatorGaveAFormerServerComesBack) {
  HubWorld world;
  world.ConnectAll();
  EXPECT_EQ(ControlAfter(world, Paused(world.clock.Now() - absl::Hours(1))).mode, DeploymentMode::kPaused);
  const DeploymentControl newer{.mode = DeploymentMode::kAutomatic, .update_time = world.clock.Now()};
  EXPECT_EQ(ControlAfter(world, newer).mode, DeploymentMode::kAutomatic) << "the newest that any worker brings";
}

TEST(HubTrustTest, NoWorkerOutranksWhatAnOperatorSaidHere) {
  HubWorld world;
  world.ConnectAll();
  ASSERT_TRUE(world.hub->UpdateDeployment("prod/r1", {.drain_gpus = {1}}, false).ok());
  world.clock.Advance(absl::Seconds(1));
  const DeploymentControl control = ControlAfter(world, Paused(world.clock.Now()));
  EXPECT_EQ(control.mode, DeploymentMode::kAutomatic);
  EXPECT_THAT(control.draining_gpus, ElementsAre(1));
}

TEST(HubTrustTest, AWorkerBringsNoControlOnceRecoveryIsLongOver) {
  HubWorld world;
  world.ConnectAll();
  world.clock.Advance(absl::Hours(1));
  EXPECT_EQ(ControlAfter(world, Paused(world.clock.Now())).mode, DeploymentMode::kAutomatic);
}

TEST(HubTrustTest, AControlFromTheFutureIsLeftOutAndSaidSo) {
  HubWorld world;
  world.ConnectAll();
  EXPECT_EQ(ControlAfter(world, Paused(world.clock.Now() + absl::Minutes(6))).mode, DeploymentMode::kAutomatic);
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("worker 'worker-3' handed back was left out: it is dated"));
  EXPECT_EQ(ControlAfter(world, Paused(world.clock.Now() + absl::Minutes(4))).mode, DeploymentMode::kPaused)
      << "clocks differ";
}

TEST(HubTrustTest, AControlUnderWhichTheExpertsDoNotFitIsLeftOut) {
  HubWorld world;
  world.ConnectAll();
  const DeploymentControl control{.excluded_gpus = {0}, .draining_gpus = {1, 2}, .update_time = world.clock.Now()};
  EXPECT_THAT(ControlAfter(world, control).draining_gpus, ElementsAre());
  EXPECT_THAT(world.View().summary.last_error, HasSubstr("experts cannot be placed"));
}

TEST(HubTrustTest, ADrainThatComesBackIsCarriedOutWithoutWaitingForATick) {
  HubWorld world;
  world.ConnectAll();
  world.Interval();
  world.Deliver();
  const int plans = world.planner.plans();
  const DeploymentControl control{.draining_gpus = {1}, .update_time = world.clock.Now()};
  EXPECT_THAT(ControlAfter(world, control).draining_gpus, ElementsAre(1));
  world.hub->RunDue();
  EXPECT_EQ(world.planner.plans(), plans + 1);
}

}  // namespace
}  // namespace eplb
