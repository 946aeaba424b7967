#include "server/balancer/migration/fetch_reduction.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using Layer = std::vector<std::int32_t>;
using Loads = std::vector<double>;

int Reduce(const Topology& topology, const Layer& current, const std::vector<Loads>& samples, Layer& slots,
           RelabelScope scope = RelabelScope::kAnyGpu) {
  FetchReduction reduction(topology, static_cast<int>(samples[0].size()), scope);
  const std::vector<std::span<const double>> spans(samples.begin(), samples.end());
  return reduction.Run(current, spans, slots);
}

TEST(FetchReduction, ExchangesReplicasOfEqualLoad) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  Layer slots = {0, 3, 2, 1};  // 1 and 3 belong to the other GPU, and weigh the same
  EXPECT_EQ(Reduce(topology, {0, 1, 2, 3}, {{5, 1, 5, 1}}, slots), 2);
  EXPECT_THAT(slots, ElementsAre(0, 1, 2, 3));
}

TEST(FetchReduction, ExchangesTwoForTwoOfEqualSum) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 6});
  Layer slots = {0, 1, 2, 3, 4, 5};  // 0 and 1 belong on GPU 1; 4 and 5 weigh as much together
  EXPECT_EQ(Reduce(topology, {2, 4, 5, 0, 1, 3}, {{4, 1, 9, 9, 3, 2}}, slots), 4);
}

TEST(FetchReduction, DoesNotMakeTheBusiestBusier) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  Layer slots = {0, 3, 2, 1};
  EXPECT_EQ(Reduce(topology, {0, 1, 2, 3}, {{5, 1.5, 5, 1}}, slots), 2) << "the busier GPU gets lighter";
  slots = {0, 3, 2, 1};
  EXPECT_EQ(Reduce(topology, {0, 1, 2, 3}, {{5.6, 1.5, 5, 1}}, slots), 0) << "6.6 and 6.5 would become 7.1 and 6";
}

TEST(FetchReduction, EverySampleKeepsItsLimit) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  Layer slots = {0, 3, 2, 1};
  EXPECT_EQ(Reduce(topology, {0, 1, 2, 3}, {{5, 1, 5, 1}, {5.6, 1.5, 5, 1}}, slots), 0);
}

TEST(FetchReduction, NodesStayAsTheyAreWhenTheyMatter) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_nodes = 2, .num_slots = 4});
  Layer slots = {0, 3, 2, 1};
  EXPECT_EQ(Reduce(topology, {0, 1, 2, 3}, {{5, 1, 5, 1}}, slots, RelabelScope::kWholeNodes), 0);
}

TEST(FetchReduction, SavesWhatItSaysAtNoCostOnRandomLayers) {
  std::mt19937_64 random(91);
  int saved_in_all = 0;
  for (int round = 0; round < 500; ++round) {
    const Topology topology = RandomTopology(random, 8, 6);
    const int experts = RandomInt(random, 1, topology.num_usable_slots());
    const Layer current = RandomLayer(random, topology, experts, 4, true);
    const Layer planned = RandomLayer(random, topology, experts, 4);
    std::vector<Loads> samples(Index(RandomInt(random, 1, 3)), Loads(Index(experts)));
    for (Loads& loads : samples) {
      for (double& load : loads) load = RandomInt(random, 0, 20);
    }
    Layer slots = planned;
    const int saved = Reduce(topology, current, samples, slots);
    saved_in_all += saved;
    BalanceMeter meter(topology);
    for (const Loads& loads : samples) {
      EXPECT_LE(meter.Measure(slots, loads).max, meter.Measure(planned, loads).max * (1 + 1e-9)) << "round " << round;
    }
    EXPECT_EQ(CountReplicas(slots, experts), CountReplicas(planned, experts));
    EXPECT_LE(CountTwins(slots, topology), CountTwins(planned, topology));
    if (CountTwins(planned, topology) == 0) {
      EXPECT_EQ(CountFetches(current, planned, topology) - CountFetches(current, slots, topology), saved);
    }
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      EXPECT_EQ(slots[Index(slot)] == kEmptySlot, planned[Index(slot)] == kEmptySlot);
    }
  }
  EXPECT_GT(saved_in_all, 100);
}

}  // namespace
}  // namespace eplb
