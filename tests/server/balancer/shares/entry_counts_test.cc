#include "server/balancer/shares/entry_counts.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/reference/reference_policy.h"
#include "server/balancer/shares/share_optimizer.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Layer = std::vector<std::int32_t>;

struct Result {
  std::vector<std::int32_t> count;
  double max_load;
  double optimal;  // with free shares
};

Result Count(const Topology& topology, const Layer& slots, const std::vector<double>& loads, int max_entries) {
  const int experts = static_cast<int>(loads.size());
  ShareOptimizer optimizer(topology, experts);
  optimizer.Run(slots, loads);
  EntryCounts counts(topology, experts);
  counts.Run(slots, loads, optimizer.share(), max_entries);
  return {{counts.count().begin(), counts.count().end()}, counts.max_load(), optimizer.max_load()};
}

// Largest GPU load when an expert's tokens go evenly to its entries.
double MaxLoad(const Topology& topology, const Layer& slots, const std::vector<double>& loads,
               const std::vector<std::int32_t>& count) {
  std::vector<double> entries(loads.size(), 0.0);
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    if (slots[slot] != kEmptySlot) entries[Index(slots[slot])] += count[slot];
  }
  double max = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (topology.excluded(gpu)) continue;
    double load = 0;
    for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = slots[Index(slot)];
      if (expert != kEmptySlot) load += loads[Index(expert)] * count[Index(slot)] / entries[Index(expert)];
    }
    max = std::max(max, load / topology.speed(gpu));
  }
  return max;
}

TEST(EntryCounts, WorkedExample) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  const Layer slots = {0, 1, 0, 2};
  const std::vector<double> loads = {60, 50, 10};
  EXPECT_THAT(Count(topology, slots, loads, 4).count, ElementsAre(1, 1, 3, 1));
  EXPECT_NEAR(Count(topology, slots, loads, 4).max_load, 65, 1e-9);
  EXPECT_THAT(Count(topology, slots, loads, 6).count, ElementsAre(1, 1, 5, 1));
  EXPECT_NEAR(Count(topology, slots, loads, 6).max_load, 60, 1e-9);
  // With two, 1/6 is nearer to none than to a half: 70 instead of the 80 of even shares.
  EXPECT_THAT(Count(topology, slots, loads, 2).count, ElementsAre(0, 1, 1, 1));
}

TEST(EntryCounts, ReplicaThatIsBetterLeftAloneGetsNone) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  EXPECT_THAT(Count(topology, {0, 1, 0, 2}, {20, 50, 10}, 4).count, ElementsAre(0, 1, 1, 1));
}

TEST(EntryCounts, TwinsSplitTheEntriesOfTheirGpu) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  EXPECT_THAT(Count(topology, {0, 0, 0, 1}, {40, 0}, 4).count, ElementsAre(1, 0, 1, 1));
  const Result result = Count(topology, {0, 0, 0, 1}, {60, 20}, 6);
  EXPECT_THAT(result.count, ElementsAre(1, 1, 1, 1));
  EXPECT_NEAR(result.max_load, 40, 1e-9);
}

TEST(EntryCounts, ExcludedReplicasGetNone) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 3, .excluded_gpus = {2}});
  EXPECT_THAT(Count(topology, {0, 0, 0}, {30}, 4).count, ElementsAre(1, 1, 0));
  EXPECT_THAT(Count(topology, {0, 0, 1}, {30, 5}, 4).count, ElementsAre(1, 1, 1)) << "the only one";
}

TEST(RepeatedEntries, AreSpread) {
  EXPECT_THAT(RepeatedEntries(Layer{0, 1, 0, kEmptySlot}, std::vector<std::int32_t>{1, 1, 3, 0}, 2),
              ElementsAre(ElementsAre(2, 0, 2, 2), ElementsAre(1)));
  EXPECT_THAT(RepeatedEntries(Layer{0, 0}, std::vector<std::int32_t>{0, 2}, 2),
              ElementsAre(ElementsAre(1, 1), IsEmpty()));
}

// The best counts by trying all of them, for layers with few replicated experts.
double BestByEnumeration(const Topology& topology, const Layer& slots, const std::vector<double>& loads,
                         int max_entries, std::vector<std::int32_t>& count, std::size_t slot) {
  if (slot == slots.size()) {
    std::vector<int> entries(loads.size(), 0);
    for (std::size_t i = 0; i < slots.size(); ++i) entries[Index(slots[i])] += count[i];
    const bool valid = std::ranges::all_of(entries, [&](int n) { return n >= 1 && n <= max_entries; });
    return valid ? MaxLoad(topology, slots, loads, count) : std::numeric_limits<double>::infinity();
  }
  double best = std::numeric_limits<double>::infinity();
  const bool only = std::ranges::count(slots, slots[slot]) == 1;
  for (count[slot] = only ? 1 : 0; count[slot] <= (only ? 1 : max_entries); ++count[slot]) {
    best = std::min(best, BestByEnumeration(topology, slots, loads, max_entries, count, slot + 1));
  }
  return best;
}

TEST(EntryCounts, AreNearTheBestWholeNumbersOnSmallRandomLayers) {
  std::mt19937_64 random(61);
  double over = 0;
  double worst = 0;
  constexpr int kRounds = 150;
  for (int round = 0; round < kRounds; ++round) {
    const int gpus = RandomInt(random, 2, 4);
    const Topology topology = MakeTopology({.num_gpus = gpus, .num_slots = 2 * gpus});
    const int experts = 2 * gpus - RandomInt(random, 1, 2);
    const Layer slots = RandomLayer(random, topology, experts, 0);
    std::vector<double> loads;
    for (int expert = 0; expert < experts; ++expert) loads.push_back(RandomInt(random, 1, 1000));
    const int max_entries = RandomInt(random, 3, 6);
    std::vector<std::int32_t> count(slots.size(), 1);
    const double best = BestByEnumeration(topology, slots, loads, max_entries, count, 0);
    const double excess = Count(topology, slots, loads, max_entries).max_load / best - 1;
    over += excess / kRounds;
    worst = std::max(worst, excess);
  }
  EXPECT_LT(over, 0.001);
  EXPECT_LT(worst, 0.02);
  RecordProperty("mean_and_worst_over", std::to_string(over) + " " + std::to_string(worst));
}

TEST(EntryCounts, AreBetweenEvenAndFreeSharesOnRandomLayers) {
  std::mt19937_64 random(62);
  for (int round = 0; round < 400; ++round) {
    const Topology topology = RandomTopology(random, 12, 5);
    const int experts = RandomInt(random, 1, topology.num_usable_slots());
    const Layer slots = RandomLayer(random, topology, experts, 4, RandomInt(random, 0, 1) == 0);
    std::vector<double> loads;
    for (int expert = 0; expert < experts; ++expert) loads.push_back(RandomInt(random, 0, 1000));
    const std::vector<std::int32_t> replicas = CountReplicas(slots, experts);
    const int most = *std::ranges::max_element(replicas);
    const int max_entries = most + RandomInt(random, 0, 4);
    const Result result = Count(topology, slots, loads, max_entries);
    BalanceMeter meter(topology);
    EXPECT_LE(result.max_load, meter.Measure(slots, loads).max * (1 + 1e-12));
    EXPECT_GE(result.max_load, result.optimal * (1 - 1e-9));
    EXPECT_NEAR(result.max_load, MaxLoad(topology, slots, loads, result.count), 1e-9 * (1 + result.max_load));
    std::vector<int> entries(Index(experts), 0);
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      if (slots[slot] != kEmptySlot) entries[Index(slots[slot])] += result.count[slot];
    }
    EXPECT_GE(*std::ranges::min_element(entries), 1);
    EXPECT_LE(*std::ranges::max_element(entries), max_entries);
  }
}

}  // namespace
}  // namespace eplb
