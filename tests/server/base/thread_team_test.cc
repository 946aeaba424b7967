#include "server/base/thread_team.h"

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

std::vector<int> CountCalls(const ParallelFor& parallel, int count) {
  std::vector<int> calls(static_cast<std::size_t>(count), 0);
  parallel.Run(count, [&](int index, int worker) {
    EXPECT_GE(worker, 0);
    EXPECT_LT(worker, parallel.width());
    ++calls[static_cast<std::size_t>(index)];
  });
  return calls;
}

TEST(ThreadTeam, CallsEachIndexOnceAtEveryWidth) {
  for (int width = 1; width <= 5; ++width) {
    const ThreadTeam team(width);
    EXPECT_EQ(team.width(), width);
    for (int count : {0, 1, 2, 7, 1000}) {
      EXPECT_EQ(CountCalls(team, count), std::vector<int>(static_cast<std::size_t>(count), 1));
    }
  }
}

TEST(ThreadTeam, OneWorkersCallsNeverOverlap) {
  const ThreadTeam team(4);
  std::vector<std::atomic<int>> inside(4);
  for (int round = 0; round < 50; ++round) {
    team.Run(100, [&](int, int worker) {
      EXPECT_EQ(inside[static_cast<std::size_t>(worker)]++, 0);
      --inside[static_cast<std::size_t>(worker)];
    });
  }
}

TEST(ThreadTeam, ABusyTeamDoesNotHoldUpASecondRun) {
  const ThreadTeam team(3);
  std::vector<std::thread> callers;
  std::atomic<int> sum = 0;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) team.Run(10, [&](int index, int) { sum += index; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 8 * 100 * 45);
}

TEST(ThreadTeam, MayBeCalledFromWithinARun) {
  const ThreadTeam team(2);
  std::atomic<int> calls = 0;
  team.Run(4, [&](int, int) { team.Run(3, [&](int, int) { ++calls; }); });
  EXPECT_EQ(calls, 12);
}

}  // namespace
}  // namespace eplb
