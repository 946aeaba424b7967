// What every move of the search must keep: sound layouts, no twins, a maximum that never grows.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/search/exchange_chain.h"
#include "server/balancer/search/exchange_scan.h"
#include "server/balancer/search/pair_exchange.h"
#include "server/balancer/search/refold.h"
#include "tests/server/balancer/search/random_layouts.h"

namespace eplb {
namespace {

constexpr std::int64_t kPlenty = 1'000'000'000;

std::vector<std::int32_t> EveryGpu(const ReplicaLayout& layout) {
  std::vector<std::int32_t> gpus(Index(layout.num_gpus));
  std::iota(gpus.begin(), gpus.end(), 0);
  return gpus;
}

TEST(Refold, FindsTheExampleOfTheHeader) {
  const testing::OwnedProblem problem{.loads = {5, 3, 4, 2, 1, 6}, .slots_on = {2, 2, 2}, .speed = {1, 1, 1}};
  ReplicaLayout layout;
  layout.Reset(problem.get());
  for (int slot = 0; slot < 6; ++slot) layout.Put(slot, slot);
  layout.RecomputeLoads();
  PseudoRandom random(1);
  WorkMeter work(kPlenty);
  Refold refold;
  for (int round = 0; round < 20; ++round) refold.Round(EveryGpu(layout), 1, &random, &work, &layout);
  EXPECT_NEAR(layout.MaxLoad(), 1, 1e-6);
}

TEST(Refold, NeverRaisesTheMaximum) {
  testing::RandomProblems problems(41);
  Refold refold;
  PseudoRandom random(2);
  int changed = 0;
  for (int round = 0; round < 200; ++round) {
    const testing::OwnedProblem problem = testing::RandomPacking(round % 2 == 0, &problems);
    ReplicaLayout layout = testing::StartOf(problem.get());
    const int least = *std::ranges::min_element(problem.slots_on);
    WorkMeter work(kPlenty);
    for (int step = 0; step < 10; ++step) {
      const double before = layout.MaxLoad();
      changed += refold.Round(EveryGpu(layout), problems.Int(1, least), &random, &work, &layout) ? 1 : 0;
      EXPECT_LE(layout.MaxLoad(), before * (1 + 1e-9));
      EXPECT_TRUE(testing::IsSound(layout)) << "round " << round;
    }
  }
  EXPECT_GT(changed, 100);
}

// The best exchange by trying all of them, to the letter of the definition.
double BestPeak(int gpu, const ReplicaLayout& layout) {
  double best = std::numeric_limits<double>::infinity();
  for (int slot = layout.first_slot[gpu]; slot < layout.first_slot[gpu + 1]; ++slot) {
    for (int partner = 0; partner < layout.num_slots; ++partner) {
      const int other = layout.gpu_of[partner];
      if (other == gpu || layout.Holds(other, layout.expert_in[slot]) || layout.Holds(gpu, layout.expert_in[partner])) {
        continue;
      }
      ReplicaLayout after = layout;
      after.Exchange(slot, partner);
      best = std::min(best, std::max(after.LoadPerSpeed(gpu), after.LoadPerSpeed(other)));
    }
  }
  return best;
}

TEST(ExchangeScan, FindsTheBestExchange) {
  testing::RandomProblems problems(42);
  ExchangeScan scan;
  int found = 0;
  for (int round = 0; round < 300; ++round) {
    const testing::OwnedProblem problem = testing::RandomPacking(round % 2 == 0, &problems);
    const ReplicaLayout layout = testing::StartOf(problem.get());
    const int hottest = layout.Hottest();
    WorkMeter work(kPlenty);
    const Exchange exchange = scan.Best(hottest, {}, layout.MaxLoad(), &work, layout);
    const double best = BestPeak(hottest, layout);
    if (!exchange.exists()) {
      EXPECT_GE(best, layout.MaxLoad() * (1 - 1e-6)) << "round " << round;
      continue;
    }
    ++found;
    EXPECT_TRUE(MayExchange(exchange.slot, exchange.partner, layout));
    EXPECT_NEAR(exchange.peak, best, 1e-5) << "round " << round;
  }
  EXPECT_GT(found, 50);
}

TEST(ExchangeScan, LeavesBarredGpusAlone) {
  testing::RandomProblems problems(43);
  ExchangeScan scan;
  for (int round = 0; round < 100; ++round) {
    const testing::OwnedProblem problem = testing::RandomPacking(round % 2 == 0, &problems);
    const ReplicaLayout layout = testing::StartOf(problem.get());
    const int hottest = layout.Hottest();
    std::vector<std::int32_t> barred = EveryGpu(layout);
    const int open = problems.Int(0, layout.num_gpus - 1);
    std::erase(barred, open);
    WorkMeter work(kPlenty);
    const Exchange exchange = scan.Best(hottest, barred, 1e30, &work, layout);
    if (exchange.exists()) {
      EXPECT_EQ(layout.gpu_of[exchange.partner], open);
    }
  }
}

TEST(PairExchange, LowersTheHottestGpuOrDoesNothing) {
  testing::RandomProblems problems(44);
  PairExchange pairs;
  int done = 0;
  for (int round = 0; round < 300; ++round) {
    const testing::OwnedProblem problem = testing::RandomPacking(round % 2 == 0, &problems);
    ReplicaLayout layout = testing::StartOf(problem.get());
    const int hottest = layout.Hottest();
    const double before = layout.MaxLoad();
    WorkMeter work(kPlenty);
    if (pairs.Run(&work, &layout)) {
      ++done;
      EXPECT_LT(layout.LoadPerSpeed(hottest), before);
    }
    EXPECT_LE(layout.MaxLoad(), before);
    EXPECT_TRUE(testing::IsSound(layout)) << "round " << round;
  }
  EXPECT_GT(done, 50);
}

TEST(ExchangeChain, LowersTheHottestGpuOrDoesNothing) {
  testing::RandomProblems problems(45);
  ExchangeChain chain;
  int done = 0;
  for (int round = 0; round < 300; ++round) {
    const testing::OwnedProblem problem = testing::RandomPacking(round % 2 == 0, &problems);
    ReplicaLayout layout = testing::StartOf(problem.get());
    const ReplicaLayout start = layout;
    const int hottest = layout.Hottest();
    WorkMeter work(kPlenty);
    if (chain.Run(&work, &layout)) {
      ++done;
      EXPECT_LT(layout.LoadPerSpeed(hottest), start.LoadPerSpeed(hottest));
      EXPECT_LE(layout.MaxLoad(), start.MaxLoad());
    } else {
      EXPECT_TRUE(std::ranges::equal(layout.expert_in, start.expert_in));
    }
    EXPECT_TRUE(testing::IsSound(layout)) << "round " << round;
  }
  EXPECT_GT(done, 50);
}

TEST(TwinRepair, TakesTwinsApartByExchange) {
  const testing::OwnedProblem problem{.loads = {4, 3, 1}, .slots_on = {2, 2}, .speed = {1, 1}};
  ReplicaLayout layout;
  layout.Reset(problem.get());
  layout.SetReplicas(0, 2);
  for (const auto& [slot, expert] : {std::pair{0, 0}, {1, 0}, {2, 1}, {3, 2}}) layout.Put(slot, expert);
  layout.RecomputeLoads();
  RepairTwins(1, &layout);
  EXPECT_TRUE(testing::IsSound(layout));
  EXPECT_THAT(layout.replicas, ::testing::ElementsAre(2, 1, 1));
}

TEST(TwinRepair, GivesTheSlotAwayWhereNoExchangeHelps) {
  // Expert 0 is on both GPUs already: its third replica has nowhere to go.
  const testing::OwnedProblem problem{.loads = {4, 3, 1}, .slots_on = {3, 1}, .speed = {1, 1}};
  ReplicaLayout layout;
  layout.Reset(problem.get());
  layout.SetReplicas(0, 3);
  layout.SetReplicas(2, 1);
  for (const auto& [slot, expert] : {std::pair{0, 0}, {1, 0}, {2, 1}, {3, 0}}) layout.Put(slot, expert);
  layout.replicas[2] = 0;
  layout.RecomputeLoads();
  layout.replicas[2] = 0;
  RepairTwins(1, &layout);
  EXPECT_EQ(layout.CountTwins(), 0);
}

}  // namespace
}  // namespace eplb
