#include "server/balancer/migration/slot_arrangement.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

std::vector<std::int32_t> Arrange(const Topology& topology, const std::vector<std::int32_t>& current,
                                  std::vector<std::int32_t> planned) {
  SlotArrangement arrangement(topology, 16);
  arrangement.Run(current, planned, planned);
  return planned;
}

Topology OneGpu(int slots) { return MakeTopology({.num_gpus = 1, .num_slots = slots}); }

TEST(SlotArrangement, ExpertThatStaysKeepsItsSlot) {
  EXPECT_THAT(Arrange(OneGpu(4), {3, 1, 4, 2}, {1, 2, 3, 7}), ElementsAre(3, 1, 7, 2));
}

TEST(SlotArrangement, GpusAreApart) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4});
  EXPECT_THAT(Arrange(topology, {0, 1, 2, 3}, {2, 0, 1, 3}), ElementsAre(0, 2, 1, 3));
}

TEST(SlotArrangement, EmptySlotIsFilledBeforeOneThatAnExpertLeaves) {
  EXPECT_THAT(Arrange(OneGpu(3), {5, 6, kEmptySlot}, {kEmptySlot, 6, 7}), ElementsAre(kEmptySlot, 6, 7));
}

TEST(SlotArrangement, OfSeveralCopiesTheLowestSlotsAreKept) {
  EXPECT_THAT(Arrange(OneGpu(4), {5, 5, 5, 6}, {6, 5, 5, 7}), ElementsAre(5, 5, 7, 6));
  EXPECT_THAT(Arrange(OneGpu(3), {5, 6, 7}, {5, 5, 5}), ElementsAre(5, 5, 5));
}

TEST(SlotArrangement, KeepsContentsAndMovesNothingThatStaysOnRandomLayers) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 500; ++round) {
    const Topology topology = RandomTopology(random, 6, 5);
    const int experts = RandomInt(random, 1, std::min(16, topology.num_usable_slots()));
    const std::vector<std::int32_t> current = RandomLayer(random, topology, experts, 4, true);
    const std::vector<std::int32_t> planned = RandomLayer(random, topology, experts, 4);
    const std::vector<std::int32_t> arranged = Arrange(topology, current, planned);
    for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
      const auto on_gpu = [&](const std::vector<std::int32_t>& slots) {
        const auto first = slots.begin() + topology.first_slot(gpu);
        return std::vector<std::int32_t>(first, first + topology.slots_on(gpu));
      };
      EXPECT_THAT(on_gpu(arranged), ::testing::UnorderedElementsAreArray(on_gpu(planned)));
      for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
        const std::int32_t was = current[Index(slot)];
        if (was == kEmptySlot || arranged[Index(slot)] == was) continue;
        // It left its slot: then it has fewer copies here than it had, and the rest are where they were.
        EXPECT_LT(std::ranges::count(on_gpu(planned), was), std::ranges::count(on_gpu(current), was));
      }
    }
  }
}

}  // namespace
}  // namespace eplb
