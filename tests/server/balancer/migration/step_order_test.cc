#include "server/balancer/migration/step_order.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using Write = StepOrder::Write;
using Steps = std::vector<std::vector<std::int32_t>>;

Steps Order(const std::vector<Write>& writes, const std::vector<std::int32_t>& spare) {
  StepOrder order(static_cast<int>(spare.size()));
  order.Run(writes, spare);
  Steps steps;
  for (std::size_t step = 0; step + 1 < order.first_of_step().size(); ++step) {
    const auto first = order.order().begin() + order.first_of_step()[step];
    steps.emplace_back(first, order.order().begin() + order.first_of_step()[step + 1]);
  }
  return steps;
}

struct Problem {
  std::vector<Write> writes;
  std::vector<std::int32_t> spare;
};

// The writes between two random layers of which each expert must keep min_replicas replicas, if it has them in both.
Problem RandomProblem(std::mt19937_64& random, int slots, int experts, int min_replicas, int empty_one_in) {
  const Topology topology = MakeTopology({.num_gpus = 1, .num_slots = slots});
  const std::vector<std::int32_t> from = RandomLayer(random, topology, experts, empty_one_in);
  const std::vector<std::int32_t> to = RandomLayer(random, topology, experts, 0);
  const std::vector<std::int32_t> before = CountReplicas(from, experts);
  const std::vector<std::int32_t> after = CountReplicas(to, experts);
  Problem problem;
  for (std::size_t slot = 0; slot < from.size(); ++slot) {
    if (from[slot] != to[slot]) problem.writes.push_back({.loses = from[slot], .gains = to[slot]});
  }
  for (std::size_t expert = 0; expert < before.size(); ++expert) {
    problem.spare.push_back(before[expert] - std::min({min_replicas, before[expert], after[expert]}));
  }
  return problem;
}

bool IsValid(const std::vector<std::int32_t>& spare) { return std::ranges::min(spare) >= 0; }

void Apply(const Write& write, std::vector<std::int32_t>& spare) {
  if (write.loses != kEmptySlot) --spare[Index(write.loses)];
  ++spare[Index(write.gains)];
}

// The longest chain of valid sets of writes from none to all: the largest number of steps there is.
int MostStepsByEnumeration(const Problem& problem) {
  const std::size_t all = (std::size_t{1} << problem.writes.size()) - 1;
  std::vector<int> most(all + 1, -1);
  most[0] = 0;
  for (std::size_t set = 1; set <= all; ++set) {
    std::vector<std::int32_t> spare = problem.spare;
    for (std::size_t i = 0; i < problem.writes.size(); ++i) {
      if ((set >> i) & 1) Apply(problem.writes[i], spare);
    }
    if (!IsValid(spare)) continue;
    for (std::size_t before = (set - 1) & set;; before = (before - 1) & set) {
      if (most[before] >= 0) most[set] = std::max(most[set], most[before] + 1);
      if (before == 0) break;
    }
  }
  return most[all];
}

void ExpectValidAfterEveryStep(const Problem& problem, const Steps& steps) {
  std::vector<std::int32_t> spare = problem.spare;
  std::vector<bool> done(problem.writes.size(), false);
  for (const std::vector<std::int32_t>& step : steps) {
    for (const std::int32_t write : step) {
      EXPECT_FALSE(done[Index(write)]);
      done[Index(write)] = true;
      Apply(problem.writes[Index(write)], spare);
    }
    EXPECT_TRUE(IsValid(spare));
    for (std::size_t i = 0; step.size() > 1 && i < step.size(); ++i) {
      const Write& next = problem.writes[Index(step[(i + 1) % step.size()])];
      EXPECT_EQ(problem.writes[Index(step[i])].gains, next.loses) << "not a cycle in order";
    }
  }
  EXPECT_TRUE(std::ranges::all_of(done, [](bool d) { return d; }));
}

TEST(StepOrder, NothingToDoIsNoStep) { EXPECT_TRUE(Order({}, {0, 0}).empty()); }

TEST(StepOrder, SwapOfTwoWithoutASpareIsOneStep) {
  EXPECT_THAT(Order({{0, 1}, {1, 0}}, {0, 0}), ElementsAre(ElementsAre(0, 1)));
}

TEST(StepOrder, SwapWithASpareIsTwoSteps) {
  EXPECT_THAT(Order({{0, 1}, {1, 0}}, {0, 1}), ElementsAre(ElementsAre(1), ElementsAre(0)));
}

TEST(StepOrder, ReplicaThatGoesMakesRoomForTheChainBehindIt) {
  // 2 -> 1 gives expert 1 a replica to spare, then 1 -> 0.
  EXPECT_THAT(Order({{1, 0}, {2, 1}}, {0, 0, 1}), ElementsAre(ElementsAre(1), ElementsAre(0)));
}

TEST(StepOrder, TokenGoesRoundTheCycleBeforeItIsSpent) {
  // Expert 0 has one replica to spare; spending it on 3 at once would leave 0 -> 1 -> 2 -> 0 to be one step of three.
  const Steps steps = Order({{0, 3}, {0, 1}, {1, 2}, {2, 0}}, {1, 0, 0, 0});
  EXPECT_EQ(steps.size(), 4u);
}

TEST(StepOrder, EmptySlotStartsTheCycle) { EXPECT_EQ(Order({{kEmptySlot, 0}, {0, 1}, {1, 0}}, {0, 0}).size(), 3u); }

TEST(StepOrder, CyclesApartAreStepsApart) {
  EXPECT_THAT(Order({{0, 1}, {2, 3}, {1, 0}, {4, 2}, {3, 4}}, {0, 0, 0, 0, 0}),
              ElementsAre(::testing::SizeIs(2), ::testing::SizeIs(3)));
}

TEST(StepOrder, MakesAsManyStepsAsThereCanBeOnSmallRandomLayers) {
  std::mt19937_64 random(11);
  int cycles = 0;
  for (int round = 0; round < 600; ++round) {
    const int slots = RandomInt(random, 1, 9);
    const int experts = std::max(1, slots - RandomInt(random, 0, 3));
    const Problem problem = RandomProblem(random, slots, experts, 1, RandomInt(random, 0, 1) * 2);
    const Steps steps = Order(problem.writes, problem.spare);
    ExpectValidAfterEveryStep(problem, steps);
    ASSERT_EQ(static_cast<int>(steps.size()), MostStepsByEnumeration(problem)) << "round " << round;
    cycles += steps.size() < problem.writes.size() ? 1 : 0;
  }
  EXPECT_GT(cycles, 50) << "the rounds should include cycles without a spare";
}

TEST(StepOrder, KeepsSeveralReplicasOfEachExpert) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 600; ++round) {
    const int experts = RandomInt(random, 1, 12);
    const Problem problem = RandomProblem(random, RandomInt(random, experts, 3 * experts), experts,
                                          RandomInt(random, 1, 3), RandomInt(random, 0, 1) * 4);
    ExpectValidAfterEveryStep(problem, Order(problem.writes, problem.spare));
  }
}

TEST(StepOrder, ScratchKeptFromOneLayerDoesNotShowInTheNext) {
  std::mt19937_64 random(13);
  StepOrder kept(12);
  for (int round = 0; round < 50; ++round) {
    const Problem problem = RandomProblem(random, 16, 12, 1, 3);
    kept.Run(problem.writes, problem.spare);
    StepOrder fresh(12);
    fresh.Run(problem.writes, problem.spare);
    EXPECT_TRUE(std::ranges::equal(kept.order(), fresh.order()));
    EXPECT_TRUE(std::ranges::equal(kept.first_of_step(), fresh.first_of_step()));
  }
}

}  // namespace
}  // namespace eplb
