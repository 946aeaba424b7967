#include "server/balancer/migration/gpu_relabelling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/reference/reference_policy.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using Layer = std::vector<std::int32_t>;

Layer Relabel(const Topology& topology, const Layer& current, const Layer& planned, int num_experts,
              RelabelScope scope = RelabelScope::kAnyGpu) {
  GpuRelabelling relabelling(topology, num_experts, scope);
  relabelling.Run(current, planned);
  return {relabelling.slots().begin(), relabelling.slots().end()};
}

std::vector<std::multiset<std::int32_t>> Contents(const Topology& topology, const Layer& slots) {
  std::vector<std::multiset<std::int32_t>> contents(Index(topology.num_gpus()));
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    contents[Index(topology.gpu_of_slot(slot))].insert(slots[Index(slot)]);
  }
  return contents;
}

bool Interchangeable(const Topology& topology, int gpu, int other) {
  return topology.slots_on(gpu) == topology.slots_on(other) && topology.speed(gpu) == topology.speed(other) &&
         topology.excluded(gpu) == topology.excluded(other);
}

bool IsAllowed(const Topology& topology, const std::vector<int>& real_gpu, RelabelScope scope) {
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (!Interchangeable(topology, gpu, real_gpu[Index(gpu)])) return false;
    if (scope == RelabelScope::kAnyGpu) continue;
    for (int other = 0; other < gpu; ++other) {
      const bool together = topology.node_of_gpu(gpu) == topology.node_of_gpu(other);
      if (together != (topology.node_of_gpu(real_gpu[Index(gpu)]) == topology.node_of_gpu(real_gpu[Index(other)]))) {
        return false;
      }
    }
  }
  return true;
}

int FewestFetchesByEnumeration(const Topology& topology, const Layer& current, const Layer& planned,
                               RelabelScope scope) {
  std::vector<int> real_gpu(Index(topology.num_gpus()));
  std::iota(real_gpu.begin(), real_gpu.end(), 0);
  int fewest = topology.num_slots();
  do {
    if (!IsAllowed(topology, real_gpu, scope)) continue;
    Layer slots(planned.size());
    for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
      std::copy_n(planned.begin() + topology.first_slot(gpu), topology.slots_on(gpu),
                  slots.begin() + topology.first_slot(real_gpu[Index(gpu)]));
    }
    fewest = std::min(fewest, CountFetches(current, slots, topology));
  } while (std::ranges::next_permutation(real_gpu).found);
  return fewest;
}

TEST(GpuRelabelling, RecognisesTheSameContentsOnOtherGpus) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 6});
  EXPECT_THAT(Relabel(topology, {0, 1, 2, 3, 4, 5}, {5, 4, 1, 0, 3, 2}, 6), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(GpuRelabelling, GpuThatOverlapsWithNothingKeepsItsLabel) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 3});
  EXPECT_THAT(Relabel(topology, {0, 1, 2}, {1, 3, 4}, 5), ElementsAre(3, 1, 4));
  EXPECT_THAT(Relabel(topology, {0, 1, 2}, {3, 4, 5}, 6), ElementsAre(3, 4, 5));
}

TEST(GpuRelabelling, OnlyInterchangeableGpusTrade) {
  const Topology topology =
      MakeTopology({.num_gpus = 3, .num_slots = 5, .slots_per_gpu = {1, 2, 2}, .gpu_speed = {1, 1, 2}});
  EXPECT_THAT(Relabel(topology, {0, 1, 2, 3, 4}, {0, 3, 4, 1, 2}, 5), ElementsAre(0, 3, 4, 1, 2));
}

TEST(GpuRelabelling, NodesMoveAsWholes) {
  const Topology topology = MakeTopology({.num_gpus = 4, .num_nodes = 2, .num_slots = 4});
  // The second node's contents are planned for the first node; one GPU of each would rather stay apart.
  const Layer current = {0, 1, 2, 3};
  const Layer planned = {3, 1, 0, 2};
  EXPECT_THAT(Relabel(topology, current, planned, 4), ElementsAre(0, 1, 2, 3));
  const Layer whole = Relabel(topology, current, planned, 4, RelabelScope::kWholeNodes);
  EXPECT_EQ(CountFetches(current, whole, topology), 2);
  const std::set<std::int32_t> first_node(whole.begin(), whole.begin() + 2);
  EXPECT_TRUE((first_node == std::set<std::int32_t>{1, 3}) || (first_node == std::set<std::int32_t>{0, 2}));
}

TEST(GpuRelabelling, FetchesAsFewAsAnyRelabellingOnSmallRandomLayers) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 400; ++round) {
    const Topology topology = RandomTopology(random, 6, 4);
    const int experts = RandomInt(random, 1, std::min(12, topology.num_usable_slots()));
    const Layer current = RandomLayer(random, topology, experts, 5, true);
    const Layer planned = RandomLayer(random, topology, experts, 5);
    for (const RelabelScope scope : {RelabelScope::kAnyGpu, RelabelScope::kWholeNodes}) {
      GpuRelabelling relabelling(topology, experts, scope);
      relabelling.Run(current, planned);
      const std::vector<int> real_gpu(relabelling.real_gpu().begin(), relabelling.real_gpu().end());
      ASSERT_TRUE(IsAllowed(topology, real_gpu, scope)) << "round " << round;
      const Layer slots(relabelling.slots().begin(), relabelling.slots().end());
      ASSERT_EQ(CountFetches(current, slots, topology), FewestFetchesByEnumeration(topology, current, planned, scope))
          << "round " << round;
      const auto before = Contents(topology, planned);
      const auto after = Contents(topology, slots);
      for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
        ASSERT_EQ(before[Index(gpu)], after[Index(real_gpu[Index(gpu)])]) << "round " << round;
      }
    }
  }
}

TEST(GpuRelabelling, LayersAreAlikeWhateverTheWidth) {
  std::mt19937_64 random(5);
  const Topology topology = MakeTopology({.num_gpus = 8, .num_slots = 24});
  Layer current, planned;
  for (int layer = 0; layer < 5; ++layer) {
    for (const std::int32_t expert : RandomLayer(random, topology, 20, 0)) current.push_back(expert);
    for (const std::int32_t expert : RandomLayer(random, topology, 20, 0)) planned.push_back(expert);
  }
  // Scratch kept from one layer must not show in the next: a fresh one for each gives the same.
  const Placement all = RelabelToCurrent(*Placement::Create(5, 20, 24, current), *Placement::Create(5, 20, 24, planned),
                                         topology, RelabelScope::kAnyGpu, SerialFor());
  for (int layer = 0; layer < 5; ++layer) {
    const auto part = [&](const Layer& slots) {
      return Layer(slots.begin() + layer * 24, slots.begin() + (layer + 1) * 24);
    };
    EXPECT_TRUE(std::ranges::equal(all.layer(layer), Relabel(topology, part(current), part(planned), 20)));
  }
}

// Percent of all slots that a full re-plan by the published algorithm fetches when lognormal loads (sigma 1) drift by
// a lognormal factor of the given sigma.
double FetchPercentOfReplans(int num_gpus, double drift, bool relabel) {
  constexpr int kExperts = 256;
  constexpr int kSlots = 288;
  constexpr int kLayers = 58;
  const Topology topology = MakeTopology({.num_gpus = num_gpus, .num_slots = kSlots});
  ReferencePolicy policy(GlobalShape(kExperts, topology));
  GpuRelabelling relabelling(topology, kExperts, RelabelScope::kAnyGpu);
  std::mt19937_64 random(6);
  std::normal_distribution<double> normal;
  int fetches = 0;
  for (int layer = 0; layer < kLayers; ++layer) {
    std::vector<double> loads(kExperts);
    for (double& load : loads) load = std::exp(normal(random));
    policy.Run(loads);
    const Layer current(policy.physical_to_logical().begin(), policy.physical_to_logical().end());
    for (double& load : loads) load *= std::exp(drift * normal(random));
    policy.Run(loads);
    relabelling.Run(current, policy.physical_to_logical());
    fetches += CountFetches(current, relabel ? relabelling.slots() : policy.physical_to_logical(), topology);
  }
  return 100.0 * fetches / (kSlots * kLayers);
}

TEST(GpuRelabelling, FullReplanUnderDriftFetchesFarLess) {
  for (const double drift : {0.1, 0.3, 1.0}) {
    EXPECT_GT(FetchPercentOfReplans(32, drift, false), 90) << drift;
    EXPECT_LT(FetchPercentOfReplans(32, drift, true), 80) << drift;
    EXPECT_GT(FetchPercentOfReplans(144, drift, false), 90) << drift;
    EXPECT_LT(FetchPercentOfReplans(144, drift, true), 50) << drift;
  }
}

}  // namespace
}  // namespace eplb
