#include "client/live/event_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(EventLoopTest, TasksOfOneTimeRunInTheOrderInWhichTheyWerePosted) {
  EventLoop loop;
  std::vector<int> ran;
  for (const int task : {1, 2, 3}) {
    loop.Post([&ran, task] { ran.push_back(task); });
  }
  loop.RunAndWait([&ran] { ran.push_back(4); });
  EXPECT_THAT(ran, ElementsAre(1, 2, 3, 4));
}

TEST(EventLoopTest, LaterTasksWaitForTheirTimeWhileEarlierOnesPass) {
  EventLoop loop;
  std::vector<int> ran;
  std::promise<void> last;
  loop.RunAndWait([&] {
    loop.PostAfter(absl::Milliseconds(40), [&] {
      ran.push_back(3);
      last.set_value();
    });
    loop.PostAfter(absl::Milliseconds(20), [&ran] { ran.push_back(2); });
    loop.Post([&ran] { ran.push_back(1); });
  });
  last.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(EventLoopTest, EverythingRunsOnOneThreadThatIsNotTheCaller) {
  EventLoop loop;
  std::vector<std::thread::id> threads;
  loop.RunAndWait([&threads] { threads.push_back(std::this_thread::get_id()); });
  loop.RunAndWait([&threads] { threads.push_back(std::this_thread::get_id()); });
  ASSERT_EQ(threads.size(), 2U);
  EXPECT_EQ(threads[0], threads[1]);
  EXPECT_NE(threads[0], std::this_thread::get_id());
}

TEST(EventLoopTest, ATaskThatWaitsForAnotherRunsItAtOnce) {
  EventLoop loop;
  std::vector<int> ran;
  loop.RunAndWait([&] {
    loop.RunAndWait([&ran] { ran.push_back(1); });
    ran.push_back(2);
  });
  EXPECT_THAT(ran, ElementsAre(1, 2));
}

TEST(EventLoopTest, ItsEndDropsWhatIsNotDueAndWhatThatHolds) {
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = held;
  {
    EventLoop loop;
    loop.PostAfter(absl::Hours(1), [held = std::move(held)] { ++*held; });
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

TEST(EventLoopTest, APosterMayOutliveItsLoop) {
  auto loop = std::make_unique<EventLoop>();
  const EventLoop::Poster poster = loop->poster();
  bool ran = false;
  EXPECT_TRUE(poster.Post([&ran] { ran = true; }));
  loop->RunAndWait([] {});
  EXPECT_TRUE(ran);
  loop = nullptr;
  EXPECT_FALSE(poster.Post([] { FAIL(); }));
}

}  // namespace
}  // namespace eplb
