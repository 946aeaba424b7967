#include "server/balancer/migration/cycle_cutter.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using Steps = std::vector<std::vector<CycleCutter::SlotWrite>>;

Steps StepsOf(const CycleCutter& cutter) {
  Steps steps;
  for (std::size_t step = 0; step + 1 < cutter.first_of_step().size(); ++step) {
    const auto first = cutter.writes().begin() + cutter.first_of_step()[step];
    steps.emplace_back(first, cutter.writes().begin() + cutter.first_of_step()[step + 1]);
  }
  return steps;
}

int SlotsInCycleOnBusiestGpu(const Topology& topology, const std::vector<std::int32_t>& cycle) {
  std::map<int, int> count;
  int most = 0;
  for (const std::int32_t slot : cycle) most = std::max(most, ++count[topology.gpu_of_slot(slot)]);
  return most;
}

// Applies the steps and checks that each is a permutation within the limit and that all end where they should.
void ExpectCycleIsDone(const Topology& topology, const std::vector<std::int32_t>& cycle, const Steps& steps,
                       int max_per_gpu) {
  std::map<std::int32_t, std::int32_t> content;  // of each slot: the slot that held it at first
  for (const std::int32_t slot : cycle) content[slot] = slot;
  for (const auto& step : steps) {
    std::map<int, int> targets, sources;
    std::set<std::int32_t> read, written;
    const std::map<std::int32_t, std::int32_t> before = content;
    for (const CycleCutter::SlotWrite& write : step) {
      EXPECT_TRUE(written.insert(write.target_slot).second);
      EXPECT_TRUE(read.insert(write.source_slot).second);
      EXPECT_LE(++targets[topology.gpu_of_slot(write.target_slot)], max_per_gpu);
      EXPECT_LE(++sources[topology.gpu_of_slot(write.source_slot)], max_per_gpu);
      content[write.target_slot] = before.at(write.source_slot);
    }
    EXPECT_EQ(read, written) << "a step must lose nothing";
  }
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    EXPECT_EQ(content[cycle[i]], cycle[(i + 1) % cycle.size()]);
  }
}

TEST(CycleCutter, WithoutALimitTheCycleIsOneStep) {
  const Topology topology = MakeTopology({.num_gpus = 1, .num_slots = 4});
  CycleCutter cutter(topology);
  ASSERT_TRUE(cutter.Run(std::vector<std::int32_t>{2, 0, 3}, 0));
  EXPECT_EQ(StepsOf(cutter).size(), 1u);
  ExpectCycleIsDone(topology, {2, 0, 3}, StepsOf(cutter), 3);
}

TEST(CycleCutter, GpuVisitedTwiceIsCutOnce) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 6});
  const std::vector<std::int32_t> cycle = {0, 2, 1, 4};  // GPUs a b a c
  CycleCutter cutter(topology);
  ASSERT_TRUE(cutter.Run(cycle, 1));
  EXPECT_EQ(StepsOf(cutter).size(), 2u);
  EXPECT_EQ(cutter.writes().size(), 5u);
  ExpectCycleIsDone(topology, cycle, StepsOf(cutter), 1);
}

TEST(CycleCutter, CycleWithinOneGpuNeedsRoomForASwap) {
  const Topology topology = MakeTopology({.num_gpus = 1, .num_slots = 3});
  CycleCutter cutter(topology);
  EXPECT_FALSE(cutter.Run(std::vector<std::int32_t>{0, 1, 2}, 1));
  ASSERT_TRUE(cutter.Run(std::vector<std::int32_t>{0, 1, 2}, 2));
  ExpectCycleIsDone(topology, {0, 1, 2}, StepsOf(cutter), 2);
}

TEST(CycleCutter, KeepsAnyLimitOnRandomCyclesOverSeveralGpus) {
  std::mt19937_64 random(21);
  for (int round = 0; round < 2000; ++round) {
    const int gpus = RandomInt(random, 2, 6);
    const Topology topology = MakeTopology({.num_gpus = gpus, .num_slots = gpus * 5});
    std::vector<std::int32_t> cycle(Index(topology.num_slots()));
    std::iota(cycle.begin(), cycle.end(), 0);
    std::shuffle(cycle.begin(), cycle.end(), random);
    cycle.resize(Index(RandomInt(random, 2, topology.num_slots())));
    const int limit = RandomInt(random, 1, 4);
    const bool on_one_gpu = SlotsInCycleOnBusiestGpu(topology, cycle) == static_cast<int>(cycle.size());
    CycleCutter cutter(topology);
    const bool done = cutter.Run(cycle, limit);
    ASSERT_TRUE(done || (on_one_gpu && limit == 1)) << "round " << round;
    if (done) ExpectCycleIsDone(topology, cycle, StepsOf(cutter), limit);
    if (SlotsInCycleOnBusiestGpu(topology, cycle) <= limit) {
      EXPECT_EQ(StepsOf(cutter).size(), 1u);
    }
  }
}

}  // namespace
}  // namespace eplb
