#include "server/planner/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>

#include "server/planner/backoff.h"
#include "server/planner/load_shedder.h"
#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

using ::eplb::testing::FakeClock;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Notes its runs, and wants the next one after `period`.
class Recorder final : public Scheduled {
 public:
  Recorder(std::string name, std::vector<std::string>& log, absl::Duration period = absl::InfiniteDuration())
      : name_(std::move(name)), log_(log), period_(period) {}
  absl::Duration RunOnce(absl::Duration now) override {
    log_.push_back(name_);
    return now + period_;
  }

 private:
  const std::string name_;
  std::vector<std::string>& log_;
  const absl::Duration period_;
};

class SchedulerTest : public ::testing::Test {
 protected:
  std::int64_t Add(std::string name, absl::Duration period = absl::InfiniteDuration()) {
    return scheduler_.Add(std::make_shared<Recorder>(std::move(name), log_, period));
  }
  absl::Duration In(int seconds) const { return clock_.Monotonic() + absl::Seconds(seconds); }

  FakeClock clock_;
  Scheduler scheduler_{clock_, nullptr};
  std::vector<std::string> log_;
};

TEST_F(SchedulerTest, RunsInTheOrderOfDueTimes) {
  scheduler_.Schedule(Add("late"), In(2));
  scheduler_.Schedule(Add("soon"), In(1));
  Add("never told");
  EXPECT_EQ(scheduler_.RunDue(), 0);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(scheduler_.RunDue(), 2);
  EXPECT_THAT(log_, ElementsAre("soon", "late"));
  EXPECT_EQ(scheduler_.NextDue(), absl::InfiniteDuration()) << "what is not due costs nothing";
}

TEST_F(SchedulerTest, AnEarlierTimeWinsAndATaskWaitsOnlyOnce) {
  const std::int64_t id = Add("a");
  scheduler_.Schedule(id, In(5));
  scheduler_.Schedule(id, In(1));
  scheduler_.Schedule(id, In(9));
  EXPECT_EQ(scheduler_.NextDue(), In(1));
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(scheduler_.RunDue(), 1);
}

TEST_F(SchedulerTest, OneThatIsAlwaysDueDoesNotStarveTheOthers) {
  scheduler_.Schedule(Add("greedy", absl::ZeroDuration()), In(0));
  scheduler_.Schedule(Add("other", absl::Seconds(1)), In(0));
  for (int i = 0; i < 3; ++i) {
    scheduler_.RunDue();
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_THAT(log_, ElementsAre("greedy", "other", "greedy", "other", "greedy", "other"));
}

TEST_F(SchedulerTest, ARemovedTaskDoesNotRun) {
  const std::int64_t id = Add("gone");
  scheduler_.Schedule(id, In(0));
  scheduler_.Remove(id);
  scheduler_.Schedule(id, In(0));
  EXPECT_EQ(scheduler_.RunDue(), 0);
  EXPECT_THAT(log_, IsEmpty());
}

// Counts runs, and how many were on at once.
class Counter final : public Scheduled {
 public:
  explicit Counter(std::atomic<int>& runs) : runs_(runs) {}
  absl::Duration RunOnce(absl::Duration now) override {
    EXPECT_EQ(++on_, 1) << "one deployment is never run twice at once";
    ++runs_;
    --on_;
    return now;
  }

 private:
  std::atomic<int>& runs_;
  std::atomic<int> on_{0};
};

TEST(SchedulerPoolTest, AThousandTasksShareASmallPoolAndQueue) {
  std::atomic<int> runs{0};
  WorkerPool pool(2, 1);
  Scheduler scheduler(RealClock(), nullptr);
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(scheduler.Add(std::make_shared<Counter>(runs)));
  scheduler.Start(pool, 2);
  for (const std::int64_t id : ids) scheduler.Schedule(id, RealClock().Monotonic());
  while (runs < 5000) std::this_thread::yield();
  scheduler.Stop();
}

TEST(BackoffTest, DoublesWithJitterUpToItsBoundAndStartsAgainAfterSuccess) {
  Backoff backoff(absl::Seconds(4), absl::Seconds(20), 7);
  const absl::Duration now = absl::Seconds(1000);
  for (const int most : {4, 8, 16, 20, 20}) {
    backoff.Fail(now);
    EXPECT_GE(backoff.until() - now, absl::Seconds(most) / 2);
    EXPECT_LE(backoff.until() - now, absl::Seconds(most));
  }
  backoff.Reset();
  EXPECT_LT(backoff.until(), now);
  backoff.Fail(now);
  EXPECT_LE(backoff.until() - now, absl::Seconds(4));
  Backoff same(absl::Seconds(4), absl::Seconds(20), 7);
  Backoff again(absl::Seconds(4), absl::Seconds(20), 7);
  same.Fail(now);
  again.Fail(now);
  EXPECT_EQ(same.until(), again.until()) << "the jitter comes from the seed";
}

using Admission = LoadShedder::Admission;

TEST(LoadShedderTest, TheIntervalDoublesWhileThereIsTooMuchAndComesBackAfterACalm) {
  LoadShedder shedder(10, absl::Seconds(5), absl::Seconds(30));
  int admitted = 0;
  for (int second = 0; second < 4; ++second) {
    for (int i = 0; i < 15; ++i) admitted += shedder.Admit(absl::Seconds(second)) == Admission::kTaken ? 1 : 0;
  }
  EXPECT_EQ(admitted, 40);
  EXPECT_EQ(shedder.interval(), absl::Seconds(30)) << "5, 10, 20, then the bound";
  for (int second = 4; second < 2000; ++second) shedder.Admit(absl::Seconds(second));
  EXPECT_EQ(shedder.interval(), absl::Seconds(5));
  EXPECT_FALSE(shedder.overloaded());
}

TEST(LoadShedderTest, WhoDoesNotHeedTheLongestIntervalIsRefusedUntilThereAreFewer) {
  LoadShedder shedder(10, absl::Seconds(5), absl::Seconds(20));
  std::optional<int> refused_at;
  const auto report = [&](int second, int count) {
    for (int i = 0; i < count; ++i) {
      const Admission admission = shedder.Admit(absl::Seconds(second));
      EXPECT_EQ(admission == Admission::kTaken, i < 10) << second;
      if (admission == Admission::kRefused && !refused_at) refused_at = second;
    }
  };
  for (int second = 0; second < 60; ++second) report(second, 15);
  EXPECT_EQ(refused_at, 2 + 1 + 20) << "20 s are asked for at second 2, and found not to help by 3";
  refused_at.reset();
  for (int second = 60; second < 300; ++second) report(second, 4);
  for (int second = 300; second < 310; ++second) report(second, 15);
  EXPECT_EQ(refused_at, std::nullopt) << "once it was calm, workers are asked again";
}

TEST(LoadShedderTest, WithoutALimitEverythingIsAdmitted) {
  LoadShedder shedder(0, absl::Seconds(5), absl::Seconds(5));
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(shedder.Admit(absl::ZeroDuration()), Admission::kTaken);
}

}  // namespace
}  // namespace eplb
