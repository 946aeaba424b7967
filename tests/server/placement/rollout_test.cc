#include "server/placement/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/placement/placement_store.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using Stage = Rollout::Stage;

constexpr absl::Duration kStart = absl::Seconds(100);

Rollout Make(bool two_phase, std::set<std::string, std::less<>> required) {
  VersionedPlacement target;
  target.version = {.epoch = 1, .revision = 1};
  return Rollout(target, two_phase, std::move(required), {.prepare = absl::Seconds(10), .apply = absl::Seconds(20)},
                 kStart);
}

TEST(RolloutTest, OneSubscriberIsWaitedForUntilItApplied) {
  Rollout rollout = Make(false, {"a"});
  EXPECT_TRUE(rollout.committed());
  rollout.OnState("a", PlacementState::kAccepted, "", kStart);
  rollout.OnState("other", PlacementState::kApplied, "", kStart);
  EXPECT_EQ(rollout.stage(), Stage::kApplying);
  rollout.OnState("a", PlacementState::kApplied, "", kStart + absl::Seconds(3));
  EXPECT_EQ(rollout.stage(), Stage::kEnded);
  EXPECT_EQ(rollout.outcome(), RolloutOutcome::kApplied);
  EXPECT_EQ(rollout.elapsed(), absl::Seconds(3));
}

TEST(RolloutTest, TwoPhasesGoThroughTheCommit) {
  Rollout rollout = Make(true, {"a", "b"});
  rollout.OnState("a", PlacementState::kPrepared, "", kStart);
  rollout.OnState("a", PlacementState::kPrepared, "", kStart);
  EXPECT_FALSE(rollout.committed());
  rollout.OnState("b", PlacementState::kPrepared, "", kStart);
  EXPECT_TRUE(rollout.committed());
  rollout.OnState("b", PlacementState::kApplied, "", kStart);
  EXPECT_EQ(rollout.stage(), Stage::kApplying);
  rollout.OnState("a", PlacementState::kApplied, "", kStart);
  EXPECT_EQ(rollout.outcome(), RolloutOutcome::kApplied);
}

TEST(RolloutTest, BeforeTheCommitOneFailureEndsItForAll) {
  struct Case {
    const char* name;
    std::function<void(Rollout&)> failure;
    RolloutOutcome outcome;
  };
  const Case cases[] = {
      {"rejects", [](Rollout& r) { r.OnState("b", PlacementState::kRejected, "why", kStart); },
       RolloutOutcome::kRejected},
      {"restarts", [](Rollout& r) { r.OnRestart("b", kStart); }, RolloutOutcome::kAborted},
      {"leaves", [](Rollout& r) { r.OnGone("b", kStart); }, RolloutOutcome::kAborted},
      {"is silent", [](Rollout& r) { r.Advance(kStart + absl::Seconds(10)); }, RolloutOutcome::kTimedOut},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    Rollout rollout = Make(true, {"a", "b"});
    rollout.OnState("a", PlacementState::kPrepared, "", kStart);
    test.failure(rollout);
    EXPECT_EQ(rollout.stage(), Stage::kEnded);
    EXPECT_FALSE(rollout.committed());
    EXPECT_EQ(rollout.outcome(), test.outcome);
    EXPECT_EQ(rollout.culprit(), "b");
  }
}

TEST(RolloutTest, AfterTheCommitThereIsNoWayBack) {
  Rollout rollout = Make(true, {"a", "b"});
  rollout.OnState("a", PlacementState::kPrepared, "", kStart);
  rollout.OnState("b", PlacementState::kPrepared, "", kStart);
  rollout.OnState("b", PlacementState::kRejected, "switch failed", kStart);
  EXPECT_EQ(rollout.stage(), Stage::kApplying);
  rollout.OnState("a", PlacementState::kApplied, "", kStart);
  EXPECT_EQ(rollout.outcome(), RolloutOutcome::kApplied);
  EXPECT_EQ(rollout.culprit(), "b") << "it is named all the same";
}

TEST(RolloutTest, TimesOutNamingWhoDidNotAnswer) {
  Rollout rollout = Make(false, {"a"});
  rollout.Advance(kStart + absl::Seconds(19));
  EXPECT_EQ(rollout.stage(), Stage::kApplying);
  rollout.Advance(rollout.deadline());
  EXPECT_EQ(rollout.outcome(), RolloutOutcome::kTimedOut);
  EXPECT_EQ(rollout.culprit(), "a");
  EXPECT_THAT(rollout.detail(), HasSubstr("did not apply in time"));
  EXPECT_EQ(rollout.deadline(), absl::InfiniteDuration());
}

TEST(RolloutTest, WithNobodyToWaitForItIsInForceAtOnce) {
  EXPECT_EQ(Make(true, {}).stage(), Stage::kEnded);
  EXPECT_TRUE(Make(true, {}).committed());
}

TEST(InMemoryPlacementStoreTest, KeepsTheNewestOfEachDeployment) {
  InMemoryPlacementStore store(2);
  for (int revision = 1; revision <= 3; ++revision) {
    store.Put("a", {.version = {.epoch = 1, .revision = revision}});
  }
  store.Put("b", {.version = {.epoch = 1, .revision = 1}});
  EXPECT_FALSE(store.Get("a", {.epoch = 1, .revision = 1}).has_value()) << "memory is bounded";
  EXPECT_TRUE(store.Get("a", {.epoch = 1, .revision = 3}).has_value());
  EXPECT_TRUE(store.Get("b", {.epoch = 1, .revision = 1}).has_value());
  store.Forget("a");
  EXPECT_FALSE(store.Get("a", {.epoch = 1, .revision = 3}).has_value());
}

}  // namespace
}  // namespace eplb
