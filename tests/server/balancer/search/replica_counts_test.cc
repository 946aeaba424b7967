#include "server/balancer/search/replica_counts.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/reference/replication.h"
#include "server/balancer/search/count_enumeration.h"
#include "server/balancer/search/count_refinement.h"
#include "server/balancer/search/pair_counts.h"
#include "tests/server/balancer/search/random_layouts.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

// The worked example of the greedy's weakness.
const testing::OwnedProblem kSkewed{.loads = {600, 560, 120, 120, 20, 10, 10, 10},
                                    .slots_on = std::vector<std::int32_t>(8, 2),
                                    .speed = std::vector<double>(8, 1.0)};

ReplicaLayout Counted(const PackingProblem& problem) {
  ReplicaLayout layout;
  layout.Reset(problem);
  ReplicaCounts().Run(problem.min_replicas, &layout);
  return layout;
}

TEST(ReplicaCounts, AreThoseOfThePublishedAlgorithmWhereNoExpertIsOnEveryGpu) {
  testing::RandomProblems random(51);
  for (int round = 0; round < 100; ++round) {
    const testing::OwnedProblem problem = testing::RandomPacking(true, &random);
    const ReplicaLayout layout = Counted(problem.get());
    if (std::ranges::max(layout.replicas) == layout.num_gpus) continue;
    std::vector<float> loads;
    for (const double load : layout.load) loads.push_back(static_cast<float>(load));
    Replication reference;
    reference.Run(loads, layout.num_slots);
    EXPECT_TRUE(std::ranges::equal(layout.replicas, reference.counts())) << "round " << round;
  }
}

TEST(ReplicaCounts, StopAtTheNumberOfGpus) {
  const testing::OwnedProblem problem{.loads = {1000, 2, 1}, .slots_on = {2, 2, 2}, .speed = {1, 1, 1}};
  EXPECT_THAT(Counted(problem.get()).replicas, ElementsAre(3, 2, 1));
}

TEST(ReplicaCounts, StartAtTheLeast) {
  const testing::OwnedProblem problem{.loads = {1000, 2, 1}, .slots_on = {3, 3, 1}, .speed = {1, 1, 1}};
  EXPECT_THAT(Counted(problem.get(2)).replicas, ElementsAre(3, 2, 2));
}

TEST(CountEnumeration, ListsEverySetThatKeepsTheLimit) {
  testing::RandomProblems random(52);
  for (int round = 0; round < 100; ++round) {
    const int experts = random.Int(1, 4);
    const int gpus = random.Int(1, 4);
    const int slots = random.Int(experts, experts * gpus);
    ReplicaLayout layout;
    layout.num_experts = experts;
    layout.num_gpus = gpus;
    layout.num_slots = slots;
    layout.load.Resize(experts);
    for (double& load : layout.load) load = random.Unit() * 2;
    const double limit = 0.5 + random.Unit();
    std::set<std::vector<std::int32_t>> expected;
    std::vector<std::int32_t> counts(Index(experts), 1);
    while (true) {
      bool fits = std::accumulate(counts.begin(), counts.end(), 0) == slots;
      for (int expert = 0; expert < experts; ++expert) fits &= layout.load[expert] / counts[Index(expert)] <= limit;
      if (fits) expected.insert(counts);
      std::size_t place = 0;
      while (place < counts.size() && counts[place] == gpus) counts[place++] = 1;
      if (place == counts.size()) break;
      ++counts[place];
    }
    CountEnumeration enumeration;
    EXPECT_GE(enumeration.Start(1, limit, 1'000'000, layout), static_cast<std::int64_t>(expected.size()));
    std::set<std::vector<std::int32_t>> listed;
    while (const FlatArray<std::int32_t>* set = enumeration.Next()) {
      EXPECT_TRUE(listed.insert({set->begin(), set->end()}).second);
    }
    EXPECT_EQ(listed, expected);
  }
}

TEST(CountRefinement, PressureIsWhatTheFoldReachesWithTwoSlots) {
  ReplicaLayout layout = Counted(kSkewed.get());
  const double pressure = CountRefinement().Pressure(layout);
  FirstLayout().Fold(&layout);
  EXPECT_NEAR(layout.MaxLoad(), pressure, 1e-6);
}

TEST(CountRefinement, LowersThePressure) {
  testing::RandomProblems random(53);
  CountRefinement refinement;
  int lowered = 0;
  for (int round = 0; round < 200; ++round) {
    testing::OwnedProblem problem = testing::RandomPacking(true, &random);
    ReplicaLayout layout = Counted(problem.get());
    const double before = refinement.Pressure(layout);
    WorkMeter work(1'000'000);
    const bool changed = refinement.Run(1, 0, &work, &layout);
    const double after = refinement.Pressure(layout);
    EXPECT_LE(after, before);
    EXPECT_EQ(changed, after < before);
    EXPECT_EQ(std::accumulate(layout.replicas.begin(), layout.replicas.end(), 0), layout.num_slots);
    lowered += changed ? 1 : 0;
  }
  EXPECT_GT(lowered, 2);
}

TEST(PairCounts, AreNeverWorseThanWhereTheyStarted) {
  testing::RandomProblems random(54);
  PairCounts pairs;
  CountRefinement refinement;
  int lowered = 0;
  for (int round = 0; round < 100; ++round) {
    const int experts = random.Int(4, 30);
    testing::OwnedProblem problem;
    const LoadMatrix loads = random.Loads(1, experts);
    problem.loads.assign(loads.layer(0).begin(), loads.layer(0).end());
    const int gpus = (experts + 1) / 2 + random.Int(0, experts / 2);
    problem.slots_on.assign(Index(gpus), 2);
    problem.speed.assign(Index(gpus), 1.0);
    ReplicaLayout layout = Counted(problem.get());
    const double before = refinement.Pressure(layout);
    PseudoRandom draws(1);
    WorkMeter work(1'000'000);
    const double after = pairs.Run({.max_moves = 50'000}, 1, 0, 0, &draws, &work, &layout);
    EXPECT_LE(after, before * (1 + 1e-12));
    EXPECT_NEAR(refinement.Pressure(layout), after, 1e-9);
    EXPECT_EQ(std::accumulate(layout.replicas.begin(), layout.replicas.end(), 0), layout.num_slots);
    EXPECT_LE(std::ranges::max(layout.replicas), gpus);
    lowered += after < before * (1 - 1e-9) ? 1 : 0;
  }
  EXPECT_GT(lowered, 20);
}

}  // namespace
}  // namespace eplb
