#include "server/base/worker_pool.h"

#include <atomic>
#include <future>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(WorkerPool, RunsEveryAcceptedTaskBeforeDrainReturns) {
  WorkerPool pool(4, 1000);
  std::atomic<int> ran = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool.TrySubmit([&ran] { ++ran; }));
  pool.Drain();
  EXPECT_EQ(ran, 1000);
}

TEST(WorkerPool, AFullQueueRefusesAtOnceAndTakesAgainOnceThereIsRoom) {
  WorkerPool pool(1, 2);
  std::promise<void> started;
  std::promise<void> release;
  ASSERT_TRUE(pool.TrySubmit([&] {
    started.set_value();
    release.get_future().wait();
  }));
  started.get_future().wait();  // the one thread is busy, so the queue is empty again
  std::promise<void> last;
  EXPECT_TRUE(pool.TrySubmit([] {}));
  EXPECT_TRUE(pool.TrySubmit([&last] { last.set_value(); }));
  EXPECT_EQ(pool.queue_depth(), 2U);
  EXPECT_FALSE(pool.TrySubmit([] { FAIL() << "a refused task must not run"; }));
  release.set_value();
  last.get_future().wait();
  EXPECT_TRUE(pool.TrySubmit([] {}));
}

TEST(WorkerPool, RefusesAfterDrain) {
  WorkerPool pool(1, 1);
  pool.Drain();
  EXPECT_FALSE(pool.TrySubmit([] {}));
  pool.Drain();
}

}  // namespace
}  // namespace eplb
