#include "server/placement/placement_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kNow = absl::Seconds(100);

// One layer of two experts in three slots: the number tells which.
std::shared_ptr<const Placement> Layout(int which) {
  const std::vector<std::vector<std::int32_t>> layouts = {{0, 1, 0}, {0, 1, 1}, {1, 0, 0}, {1, 0, 1}};
  return std::make_shared<const Placement>(*Placement::Create(1, 2, 3, layouts[static_cast<std::size_t>(which)]));
}

std::shared_ptr<const std::vector<Transfer>> NoTransfers() { return std::make_shared<const std::vector<Transfer>>(); }

class PlacementTrackerTest : public ::testing::Test {
 protected:
  explicit PlacementTrackerTest(bool two_phase = false)
      : tracker_({.deployment = "d", .two_phase = two_phase, .epoch = 1000}, store_) {}

  void Hello(const std::string& worker, PlacementVersion applied, std::shared_ptr<const Placement> current,
             const std::string& incarnation = "1") {
    ASSERT_TRUE(tracker_.CheckHello(worker, applied, current.get()).ok());
    tracker_.Hello(worker, incarnation, applied, std::move(current), kNow);
  }
  PlacementVersion Publish(int layout, std::set<std::string, std::less<>> required = {"a"}) {
    return tracker_.Publish(Layout(layout), nullptr, NoTransfers(), std::move(required), kNow);
  }
  bool Tell(const std::string& worker, PlacementVersion version, PlacementState state,
            RejectionReason reason = RejectionReason::kUnspecified) {
    bool fresh = false;
    PlacementStatus status;
    status.worker_id = worker;
    status.incarnation = "1";
    status.version = version;
    status.state = state;
    status.reason = reason;
    EXPECT_TRUE(tracker_.Report(status, kNow, fresh).ok());
    return fresh;
  }

  bool AwaitsContents() {
    return tracker_.ContentsAwaitedFrom(kNow, [](std::string_view) { return true; }).has_value();
  }

  InMemoryPlacementStore store_{4};
  PlacementTracker tracker_;
};

class TwoPhaseTrackerTest : public PlacementTrackerTest {
 protected:
  TwoPhaseTrackerTest() : PlacementTrackerTest(true) {}
};

TEST_F(PlacementTrackerTest, TheNewestVersionThatAWorkerHasIsInForce) {
  EXPECT_TRUE(AwaitsContents());
  Hello("a", {}, Layout(0));
  EXPECT_EQ(*tracker_.in_force()->placement, *Layout(0));
  Hello("b", {.epoch = 5, .revision = 7}, Layout(1));
  EXPECT_EQ(tracker_.in_force()->version, (PlacementVersion{.epoch = 5, .revision = 7}));
  Hello("c", {.epoch = 5, .revision = 6}, Layout(2));
  EXPECT_EQ(tracker_.in_force()->version.revision, 7) << "never back";
}

TEST_F(PlacementTrackerTest, ContentsThatNobodyToldAreWaitedFor) {
  Hello("a", {}, Layout(0));
  Hello("b", {.epoch = 5, .revision = 7}, nullptr);
  EXPECT_TRUE(tracker_.NeedsContents("b"));
  EXPECT_FALSE(tracker_.NeedsContents("a"));
  EXPECT_TRUE(AwaitsContents());
  Hello("b", {.epoch = 5, .revision = 7}, Layout(1));
  EXPECT_FALSE(AwaitsContents());
  EXPECT_EQ(*tracker_.in_force()->placement, *Layout(1));
}

TEST_F(PlacementTrackerTest, EqualVersionsHaveEqualContents) {
  Hello("a", {.epoch = 5, .revision = 7}, Layout(1));
  const Placement other = *Layout(2);
  const absl::Status status = tracker_.CheckHello("b", {.epoch = 5, .revision = 7}, &other);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layers[0].physical_to_logical[0] is 0 and was told as 1"));
}

TEST_F(PlacementTrackerTest, ANewVersionIsNewerThanAllEverToldOf) {
  Hello("a", {.epoch = 5, .revision = 7}, Layout(0));
  EXPECT_EQ(Publish(1), (PlacementVersion{.epoch = 1000, .revision = 1}));
  Tell("a", {.epoch = 1000, .revision = 1}, PlacementState::kApplied);
  EXPECT_EQ(Publish(2), (PlacementVersion{.epoch = 1000, .revision = 2}));
  tracker_.GiveUp("", kNow);
  Hello("b", {.epoch = 2000, .revision = 3}, Layout(3));
  EXPECT_EQ(Publish(1), (PlacementVersion{.epoch = 2001, .revision = 1}));
}

TEST_F(PlacementTrackerTest, VersionsWithoutRoomAboveThemAreRefused) {
  const PlacementVersion top{.epoch = PlacementVersion::kMax + 1, .revision = 1};
  EXPECT_EQ(tracker_.CheckVersion(top).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(tracker_.CheckVersion({.epoch = -1, .revision = 1}).code(), absl::StatusCode::kInvalidArgument);
  Hello("a", {.epoch = PlacementVersion::kMax, .revision = PlacementVersion::kMax}, Layout(0));
  EXPECT_EQ(Publish(1).epoch, PlacementVersion::kMax + 1) << "the own next one is taken back from its workers";
  EXPECT_TRUE(tracker_.CheckVersion({.epoch = PlacementVersion::kMax + 1, .revision = 1}).ok());
}

TEST_F(PlacementTrackerTest, AnAnswerOutOfOrderDoesNotTakeBackAFurtherOne) {
  Hello("a", {}, Layout(0));
  const PlacementVersion version = Publish(1);
  EXPECT_TRUE(Tell("a", version, PlacementState::kApplied));
  EXPECT_FALSE(Tell("a", version, PlacementState::kAccepted));
  EXPECT_FALSE(Tell("a", version, PlacementState::kRejected));
  EXPECT_FALSE(Tell("a", version, PlacementState::kApplied));
  EXPECT_EQ(tracker_.in_force()->version, version);
  EXPECT_EQ(tracker_.TakeEnded().size(), 1U);
}

TEST_F(PlacementTrackerTest, AnAppliedThatComesAfterTheTimeoutStillCounts) {
  Hello("a", {}, Layout(0));
  const PlacementVersion version = Publish(1);
  tracker_.Advance(kNow + absl::Hours(1));
  EXPECT_EQ(tracker_.rollout(), nullptr);
  EXPECT_FALSE(tracker_.in_force()->version.is_set());
  Tell("a", version, PlacementState::kApplied);
  EXPECT_EQ(tracker_.in_force()->version, version);
}

TEST_F(PlacementTrackerTest, ADeltaStartsFromWhatTheWorkerHasInForceAndNotFromWhatItRejected) {
  Hello("a", {}, Layout(0));
  WatchCursor cursor = tracker_.OpenCursor("a", {}, kNow);
  const PlacementVersion first = Publish(1);
  EXPECT_TRUE(tracker_.NextEvent(cursor, kNow)->update->full) << "the initial layout has no version to start from";
  Tell("a", first, PlacementState::kApplied);
  const PlacementVersion second = Publish(2);
  EXPECT_EQ(tracker_.NextEvent(cursor, kNow)->update->base, first);
  Tell("a", second, PlacementState::kRejected, RejectionReason::kOutOfMemory);
  Publish(3);
  const auto event = tracker_.NextEvent(cursor, kNow);
  EXPECT_EQ(event->update->base, first);
  EXPECT_FALSE(tracker_.NextEvent(cursor, kNow).has_value());
}

TEST_F(PlacementTrackerTest, AWorkerThatMayOrMayNotHaveAppliedGetsAFullPlacement) {
  Hello("a", {.epoch = 1, .revision = 1}, Layout(0));
  WatchCursor cursor = tracker_.OpenCursor("a", {.epoch = 1, .revision = 1}, kNow);
  Publish(1);
  EXPECT_FALSE(tracker_.NextEvent(cursor, kNow)->update->full);
  tracker_.Advance(kNow + absl::Hours(1));
  Publish(2);
  EXPECT_TRUE(tracker_.NextEvent(cursor, kNow)->update->full);
}

TEST_F(PlacementTrackerTest, WatchersOfTheSameBaseShareOneUpdate) {
  Hello("a", {.epoch = 1, .revision = 1}, Layout(0));
  WatchCursor one = tracker_.OpenCursor("", {.epoch = 1, .revision = 1}, kNow);
  WatchCursor two = tracker_.OpenCursor("", {.epoch = 1, .revision = 1}, kNow);
  Publish(1);
  EXPECT_EQ(tracker_.NextEvent(one, kNow)->update.get(), tracker_.NextEvent(two, kNow)->update.get());
}

TEST_F(PlacementTrackerTest, AVersionOutOfMemoryIsFollowedByAFullPlacement) {
  Hello("a", {}, Layout(0));
  WatchCursor cursor = tracker_.OpenCursor("", {.epoch = 1, .revision = 1}, kNow);
  Publish(1);
  EXPECT_TRUE(tracker_.NextEvent(cursor, kNow)->update->full);
}

TEST_F(TwoPhaseTrackerTest, AWorkerThatReconnectsLearnsWhatBecameOfWhatItStaged) {
  Hello("a", {}, Layout(0));
  Hello("b", {}, Layout(0));
  const PlacementVersion version = Publish(1, {"a", "b"});
  WatchCursor cursor = tracker_.OpenCursor("a", {}, kNow);
  EXPECT_EQ(tracker_.NextEvent(cursor, kNow)->update->activation, Activation::kOnCommit);
  Tell("a", version, PlacementState::kPrepared);
  Tell("b", version, PlacementState::kPrepared);
  WatchCursor committed = tracker_.OpenCursor("a", {}, kNow);
  EXPECT_EQ(tracker_.NextEvent(committed, kNow)->kind, WatchEvent::Kind::kCommit);
  Tell("a", version, PlacementState::kApplied);
  Tell("b", version, PlacementState::kApplied);

  const PlacementVersion next = Publish(2, {"a", "b"});
  Tell("a", next, PlacementState::kPrepared);
  Tell("b", next, PlacementState::kRejected, RejectionReason::kOutOfMemory);
  WatchCursor aborted = tracker_.OpenCursor("a", version, kNow);
  const auto event = tracker_.NextEvent(aborted, kNow);
  EXPECT_EQ(event->kind, WatchEvent::Kind::kAbort);
  EXPECT_EQ(event->worker_id, "b");
  EXPECT_EQ(tracker_.in_force()->version, version);
}

TEST_F(TwoPhaseTrackerTest, AWorkerThatComesTooLateToPrepareGetsTheVersionOnceCommitted) {
  Hello("a", {}, Layout(0));
  const PlacementVersion version = Publish(1, {"a"});
  Hello("late", {}, Layout(0));
  WatchCursor cursor = tracker_.OpenCursor("late", {}, kNow);
  EXPECT_FALSE(tracker_.NextEvent(cursor, kNow).has_value());
  Tell("a", version, PlacementState::kPrepared);
  EXPECT_EQ(tracker_.NextEvent(cursor, kNow)->update->activation, Activation::kImmediate);
}

TEST_F(TwoPhaseTrackerTest, ARestartBeforeTheCommitAbortsAndOneAfterItIsCaughtUp) {
  Hello("a", {}, Layout(0));
  const PlacementVersion first = Publish(1, {"a"});
  Hello("a", {}, Layout(0), "2");
  EXPECT_EQ(tracker_.rollout(), nullptr);
  EXPECT_EQ(tracker_.TakeEnded().front().outcome(), RolloutOutcome::kAborted);
  Hello("a", first, Layout(1), "2");
  EXPECT_EQ(tracker_.in_force()->version, first) << "it has it in force: so it is";
}

}  // namespace
}  // namespace eplb
