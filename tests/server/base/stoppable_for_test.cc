#include "server/base/stoppable_for.h"

#include <atomic>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/thread_team.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(StoppableFor, RunsEverythingWhileNobodyStopsIt) {
  const ThreadTeam team(3);
  const StoppableFor parallel(team, [] { return false; });
  EXPECT_EQ(parallel.width(), 3);
  std::vector<int> calls(100, 0);
  parallel.Run(100, [&](int index, int) { ++calls[static_cast<std::size_t>(index)]; });
  EXPECT_THAT(calls, Each(1));
}

TEST(StoppableFor, SkipsWhatIsLeftAndThrowsOnTheCallersThread) {
  const SerialFor serial;
  bool stop = false;
  const StoppableFor parallel(serial, [&] { return stop; });
  std::vector<int> ran;
  EXPECT_THROW(parallel.Run(100,
                            [&](int index, int) {
                              ran.push_back(index);
                              stop = index == 2;
                            }),
               Stopped);
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
}

TEST(StoppableFor, StopsTheWholeTeamWhichIsFreeAgainThen) {
  const ThreadTeam team(4);
  std::atomic<int> asked{0};
  const StoppableFor parallel(team, [&] { return ++asked > 10; });
  std::atomic<int> ran{0};
  EXPECT_THROW(parallel.Run(10'000, [&](int, int) { ++ran; }), Stopped);
  EXPECT_EQ(ran, 10);
  std::atomic<int> later{0};
  team.Run(100, [&](int, int) { ++later; });
  EXPECT_EQ(later, 100);
}

TEST(StoppableFor, AStopInsideOfABodyStopsTheOuterRunToo) {
  const ThreadTeam team(4);
  std::atomic<bool> stop{false};
  const StoppableFor parallel(team, [&] { return stop.load(); });
  EXPECT_THROW(parallel.Run(100,
                            [&](int, int) {
                              parallel.Run(100, [&](int index, int) {
                                if (index == 50) stop = true;
                              });
                            }),
               Stopped);
}

TEST(UnlessStopped, MakesAStatusOfIt) {
  const SerialFor serial;
  const StoppableFor parallel(serial, [] { return true; });
  const auto work = [&]() -> absl::StatusOr<int> {
    parallel.Run(1, [](int, int) {});
    return 7;
  };
  EXPECT_EQ(UnlessStopped(work).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(UnlessStopped([]() -> absl::StatusOr<int> { return 7; }).value(), 7);
}

}  // namespace
}  // namespace eplb
