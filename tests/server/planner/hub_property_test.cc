// Random interleavings of everything that can happen to a fleet and its hub, over many seeds: workers report, apply,
// reject, lose what they wanted to tell, break off, restart, fall silent; the hub is drained, killed and started anew.
// No worker is ever led backwards or to something inconsistent (ModelWorker checks each update), the ranks of an
// all-ranks deployment never switch before all have prepared, and once the trouble ends, everything is in order again
// within two report intervals of the workers' reconnection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

#include "tests/support/hub_world.h"

namespace eplb {
namespace {

using ::eplb::testing::HubWorld;
using ::eplb::testing::ModelWorker;
using ::eplb::testing::SmallSpec;
using ::testing::IsEmpty;

// A world in which the dice decide.
class Chaos {
 public:
  Chaos(std::uint64_t seed, CoordinationMode coordination)
      : random_(seed), world_(Options(seed), SmallSpec("prod/r1", coordination)) {
    world_.ConnectAll();
  }

  void Step() {
    ModelWorker& worker = *world_.workers[Roll(world_.workers.size())];
    switch (Roll(17)) {
      case 0:
        world_.KillHub();
        draining_ = false;
        break;
      case 1:
        worker.Disconnect();
        break;
      case 2:
        worker.Restart();
        break;
      case 3:
        world_.clock.JumpWallTime(absl::Seconds(static_cast<int>(Roll(7200)) - 3600));
        break;
      case 4:
      case 5:
        if (!worker.connected()) worker.Connect(*world_.hub).IgnoreError();
        break;
      case 6:
        TellLate();
        break;
      case 7:
      case 8:
      case 9:
        if (worker.connected()) {
          worker.AnswerDirectives().IgnoreError();
          worker.Report().status().IgnoreError();
        }
        break;
      case 10:
        world_.clock.Advance(absl::Seconds(static_cast<int>(Roll(20))));
        world_.hub->RunDue();
        break;
      case 11:
        if (Roll(4) == 0) Drain();
        break;
      default:
        worker.ReadEvent();
        if (Roll(3) > 0) DoSomeWork(worker);
    }
    CheckContentsOfVersions();
  }

  // A step in which nobody dies or falls silent.
  void PeacefulStep() {
    ModelWorker& worker = *world_.workers[Roll(world_.workers.size())];
    switch (Roll(8)) {
      case 0:
        TellLate();
        break;
      case 1:
        world_.ReportAll();
        world_.clock.Advance(absl::Seconds(5));
        world_.hub->RunDue();
        break;
      default:
        worker.ReadEvent();
        if (Roll(3) > 0) DoSomeWork(worker);
    }
  }

  // The trouble ends: everyone who is away comes back, and two report intervals go by.
  void Recover() {
    late_.clear();
    if (std::exchange(draining_, false)) world_.KillHub();
    for (const auto& worker : world_.workers) {
      // What broke off in the middle is over; a client always connects again.
      worker->Disconnect();
      const absl::Status connected = worker->Connect(*world_.hub);
      ASSERT_TRUE(connected.ok()) << connected;
    }
    for (int interval = 0; interval < 2; ++interval) {
      world_.Interval();
      world_.Deliver();
      CheckContentsOfVersions();
    }
  }

  void CheckRecovered() {
    const DeploymentView view = world_.View();
    ASSERT_NE(view.in_force.placement, nullptr);
    EXPECT_EQ(view.summary.live_workers, 4);
    for (const auto& worker : world_.workers) {
      const bool follows = view.spec->coordination() == CoordinationMode::kAllRanks || worker->id() == "worker-0";
      if (follows) {
        EXPECT_EQ(worker->applied(), view.in_force.version) << worker->id();
        EXPECT_EQ(worker->placement(), *view.in_force.placement) << worker->id();
      }
      EXPECT_LE(worker->applied(), view.placement.version);
    }
  }

  HubWorld& world() { return world_; }

 private:
  static HubOptions Options(std::uint64_t seed) {
    HubOptions options;
    options.seed = seed;
    options.rejection_backoff = absl::Seconds(1);
    options.max_rejection_backoff = absl::Seconds(2);
    options.apply_timeout = absl::Seconds(20);
    options.prepare_timeout = absl::Seconds(20);
    options.liveness.exclude_grace = absl::Seconds(30);
    return options;
  }

  std::size_t Roll(std::size_t sides) { return random_() % sides; }

  void DoSomeWork(ModelWorker& worker) {
    std::optional<RejectionReason> reject;
    if (Roll(6) == 0) reject = RejectionReason::kTransferFailed;
    for (const PlacementStatus& status : worker.DoWork(reject)) {
      const std::size_t fate = Roll(8);
      if (fate == 0) continue;  // lost
      if (fate <= 2) late_.push_back(status);
      if (fate != 1) worker.Tell(status);  // twice where it was also put off
    }
  }

  // The hub is told to stop: it goes on for a while, and another takes its place.
  void Drain() {
    draining_ = true;
    world_.hub->Drain(absl::Seconds(1));
  }

  // Something that was put off is told now, out of order.
  void TellLate() {
    if (late_.empty()) return;
    const std::size_t index = Roll(late_.size());
    world_.hub->ReportStatus(world_.spec.name(), late_[index]).IgnoreError();
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  // Whoever has a version in force has the same contents, for ever.
  void CheckContentsOfVersions() {
    for (const auto& worker : world_.workers) {
      if (!worker->applied().is_set()) continue;
      const auto [it, fresh] = contents_.try_emplace(worker->applied(), worker->placement());
      ASSERT_TRUE(fresh || it->second == worker->placement()) << worker->applied().ToString();
    }
  }

  std::mt19937_64 random_;
  HubWorld world_;
  std::vector<PlacementStatus> late_;
  bool draining_ = false;  // until another hub takes over
  std::map<PlacementVersion, Placement> contents_;
};

class HubPropertyTest : public ::testing::TestWithParam<CoordinationMode> {};

TEST_P(HubPropertyTest, WhateverHappensNobodyIsLedAstrayAndAllRecovers) {
  int published = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Chaos chaos(seed, GetParam());
    for (int round = 0; round < 3; ++round) {
      for (int step = 0; step < 150; ++step) chaos.Step();
      chaos.Recover();
      chaos.CheckRecovered();
      ASSERT_THAT(chaos.world().Violations(), IsEmpty());
      if (HasFailure()) return;
    }
    published += chaos.world().View().in_force.version.is_set() ? 1 : 0;
  }
  EXPECT_GT(published, 75) << "the dice must let something happen";
}

// Messages are lost, late, doubled or say no, but nobody dies: then no rank may have a version in force that another
// has not prepared.
TEST(HubPropertyAllRanksTest, NoRankSwitchesBeforeAllHavePrepared) {
  int switched = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Chaos chaos(seed, CoordinationMode::kAllRanks);
    HubWorld& world = chaos.world();
    for (int step = 0; step < 400; ++step) {
      chaos.PeacefulStep();
      for (const auto& worker : world.workers) {
        const PlacementVersion version = worker->applied();
        if (!version.is_set()) continue;
        ++switched;
        for (const auto& other : world.workers) ASSERT_TRUE(other->prepared(version)) << version.ToString();
      }
    }
    ASSERT_THAT(world.Violations(), IsEmpty());
  }
  EXPECT_GT(switched, 1000);
}

INSTANTIATE_TEST_SUITE_P(Modes, HubPropertyTest,
                         ::testing::Values(CoordinationMode::kOneSubscriber, CoordinationMode::kAllRanks),
                         [](const auto& parameter) {
                           return parameter.param == CoordinationMode::kAllRanks ? "AllRanks" : "OneSubscriber";
                         });

}  // namespace
}  // namespace eplb
