#include "server/balancer/reference/reference_policy.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/field_errors.h"
#include "server/model/placement.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<std::int32_t> Place(const ReferenceShape& shape, const std::vector<double>& loads) {
  ReferencePolicy policy(shape);
  policy.Run(loads);
  return {policy.physical_to_logical().begin(), policy.physical_to_logical().end()};
}

std::string BrokenField(const ReferenceShape& shape) {
  const std::vector<FieldError> errors = FieldErrorsOf(ValidateReferenceShape(shape));
  return errors.size() == 1 ? errors[0].field + " " + errors[0].value : std::to_string(errors.size()) + " errors";
}

TEST(ReferenceShape, NamesTheFieldThatDoesNotDivide) {
  EXPECT_TRUE(ValidateReferenceShape({.num_experts = 8, .num_slots = 8, .num_gpus = 4}).ok());
  EXPECT_EQ(BrokenField({.num_experts = 8, .num_slots = 4, .num_gpus = 4}), "num_slots 4");
  EXPECT_EQ(BrokenField({.num_experts = 8, .num_slots = 10, .num_gpus = 4}), "num_slots 10");
  EXPECT_EQ(BrokenField({.num_experts = 9, .num_slots = 12, .num_groups = 2, .num_gpus = 4}), "num_experts 9");
  EXPECT_EQ(BrokenField({.num_experts = 8, .num_slots = 8, .num_groups = 2, .num_nodes = 4, .num_gpus = 4}),
            "num_groups 2");
  EXPECT_EQ(BrokenField({.num_experts = 12, .num_slots = 12, .num_groups = 3, .num_nodes = 3, .num_gpus = 4}),
            "num_gpus 4");
}

TEST(ReferencePolicy, AllZeroLayerHoldsEveryExpertAndGivesTheRestToTheFirst) {
  const std::vector<std::int32_t> slots = Place({.num_experts = 4, .num_slots = 8, .num_gpus = 2}, {0, 0, 0, 0});
  EXPECT_THAT(CountReplicas(slots, 4), ElementsAre(5, 1, 1, 1));
}

TEST(ReferencePolicy, NegativeZeroIsZero) {
  const ReferenceShape shape{.num_experts = 4, .num_slots = 6, .num_gpus = 2};
  EXPECT_EQ(Place(shape, {-0.0, 3, -0.0, 1}), Place(shape, {0.0, 3, 0.0, 1}));
}

TEST(ReferencePolicy, OneGpuHoldsEverything) {
  EXPECT_THAT(CountReplicas(Place({.num_experts = 3, .num_slots = 5, .num_gpus = 1}, {9, 4, 1}), 3),
              ElementsAre(3, 1, 1));
}

TEST(ReferencePolicy, AsManySlotsAsExpertsIsAPermutation) {
  std::vector<std::int32_t> slots = Place({.num_experts = 6, .num_slots = 6, .num_gpus = 3}, {5, 4, 3, 2, 1, 0});
  EXPECT_EQ(slots, (std::vector<std::int32_t>{0, 5, 1, 4, 2, 3}));
}

TEST(ReferencePolicy, OneExpertFillsEverySlot) {
  EXPECT_THAT(Place({.num_experts = 1, .num_slots = 4, .num_gpus = 2}, {7}), Each(0));
}

TEST(ReferencePolicy, OneSlotPerGpuKeepsReplicationOrder) {
  EXPECT_EQ(Place({.num_experts = 3, .num_slots = 4, .num_gpus = 4}, {1, 8, 2}),
            (std::vector<std::int32_t>{0, 1, 2, 1}));
}

TEST(ReferencePolicy, HierarchyKeepsEveryGroupOnOneNode) {
  const ReferenceShape shape{.num_experts = 32, .num_slots = 48, .num_groups = 8, .num_nodes = 4, .num_gpus = 8};
  std::mt19937_64 random(7);
  std::vector<double> loads(32);
  for (double& load : loads) load = static_cast<double>(random() % 1000);
  const std::vector<std::int32_t> slots = Place(shape, loads);
  std::vector<int> node_of_group(8, -1);
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    const int node = static_cast<int>(slot) / 12;
    int& group_node = node_of_group[static_cast<std::size_t>(slots[slot] / 4)];
    if (group_node < 0) group_node = node;
    EXPECT_EQ(group_node, node) << "slot " << slot;
  }
}

TEST(ReferencePolicy, HoldsEveryExpertAndCountsMatchOnRandomShapes) {
  std::mt19937_64 random(2025);
  for (int round = 0; round < 200; ++round) {
    const int gpus = 1 + static_cast<int>(random() % 12);
    const int experts = 1 + static_cast<int>(random() % 60);
    const int per_gpu = (experts + gpus - 1) / gpus + static_cast<int>(random() % 3);
    const ReferenceShape shape{.num_experts = experts, .num_slots = per_gpu * gpus, .num_gpus = gpus};
    std::vector<double> loads(static_cast<std::size_t>(experts));
    for (double& load : loads) load = static_cast<double>(random() % 100000);
    ReferencePolicy policy(shape);
    policy.Run(loads);
    const std::vector<std::int32_t> counts = CountReplicas(policy.physical_to_logical(), experts);
    EXPECT_TRUE(std::ranges::equal(counts, policy.expert_count()));
    EXPECT_GE(*std::ranges::min_element(counts), 1);
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), shape.num_slots);
    // A buffer kept from one layer must not show in the next.
    ReferencePolicy fresh(shape);
    fresh.Run(loads);
    EXPECT_TRUE(std::ranges::equal(fresh.physical_to_logical(), policy.physical_to_logical()));
  }
}

}  // namespace
}  // namespace eplb
