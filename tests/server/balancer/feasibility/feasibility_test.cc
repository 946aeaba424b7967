#include "server/balancer/feasibility/feasibility.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/feasibility/placement_check.h"
#include "server/base/field_errors.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Why(const PlacementConstraints& constraints, int num_experts, const Topology& topology,
                const Placement* current = nullptr) {
  const absl::Status status = CheckFeasible(constraints, 2, num_experts, topology, current);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kFailedPrecondition);
  return std::string(status.message());
}

TEST(CheckFeasible, SaysHowManyExpertsCannotBePlaced) {
  const Topology topology = MakeTopology({.num_gpus = 32, .num_slots = 288, .excluded_gpus = {3, 4, 5, 6, 7}});
  EXPECT_EQ(Why({}, 243, topology), "");
  EXPECT_EQ(Why({}, 256, topology), "usable slots 243 < experts 256: 13 experts cannot be placed in any layer");
}

TEST(CheckFeasible, NamesTheExpertsThatLostEveryReplica) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 6, .excluded_gpus = {0}});
  const auto current = *Placement::Create(2, 5, 6, {0, 1, 2, 3, 4, 0, 0, 1, 2, 3, 4, 4});
  EXPECT_EQ(Why({}, 5, topology, &current),
            "usable slots 4 < experts 5: 1 expert cannot be placed in any layer; layer 1 has lost every replica of 2 "
            "experts: 0, 1");
}

TEST(CheckFeasible, CountsReplicasOnDifferentGpus) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 12, .slots_per_gpu = {10, 1, 1}});
  EXPECT_EQ(Why({}, 4, topology), "");
  EXPECT_EQ(Why({.min_replicas = 2}, 4, topology),
            "usable slots 6 < experts 4 x min_replicas 2 = 8: 2 replicas cannot be placed in any layer");
  EXPECT_THAT(Why({.min_replicas = 3}, 2, MakeTopology({.num_gpus = 3, .num_slots = 12, .excluded_gpus = {1}})),
              HasSubstr("usable GPUs 2 < min_replicas 3"));
}

TEST(CheckFeasible, CountsNodes) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_nodes = 2, .num_slots = 9, .node_of_gpu = {0, 0, 1}});
  EXPECT_EQ(Why({.min_nodes_per_expert = 2}, 3, topology), "");
  EXPECT_EQ(Why({.min_nodes_per_expert = 2}, 4, topology),
            "places for different experts, summed over nodes, 7 < experts 4 x min_nodes_per_expert 2 = 8: short by 1");
  const Topology one_left =
      MakeTopology({.num_gpus = 3, .num_nodes = 2, .num_slots = 9, .node_of_gpu = {0, 0, 1}, .excluded_gpus = {2}});
  EXPECT_EQ(Why({.min_nodes_per_expert = 2}, 3, one_left), "usable nodes 1 < min_nodes_per_expert 2");
}

TEST(CheckFeasible, CountsBudgets) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_nodes = 2, .num_slots = 12});
  EXPECT_EQ(Why({.min_nodes_per_expert = 2, .slot_budget_per_layer = {8, 7}}, 4, topology),
            "layer 1: slot budget 7 < experts 4 x 2 replicas each: short by 1");
}

TEST(CheckFeasible, KeepsGroupsWhole) {
  // Five slots on each node: one group of three, not two.
  const Topology topology =
      MakeTopology({.num_gpus = 4, .num_nodes = 2, .num_groups = 3, .num_slots = 10, .slots_per_gpu = {3, 2, 3, 2}});
  EXPECT_EQ(Why({}, 9, topology), "");
  EXPECT_EQ(Why({.honour_groups = true}, 9, topology),
            "the usable slots of the nodes hold at most 2 whole groups of 3 experts with 1 replicas each, of 3: 1 "
            "groups cannot be placed on one node each");
}

std::vector<std::string> Fields(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const FieldError& error : FieldErrorsOf(status)) fields.push_back(error.field + " " + error.value);
  return fields;
}

TEST(CheckConstraints, NamesEveryFieldThatBreaksItsRule) {
  const Topology topology = MakeTopology({.num_gpus = 4, .num_nodes = 2, .num_groups = 3, .num_slots = 12});
  EXPECT_TRUE(CheckConstraints({}, 2, 8, topology).ok());
  EXPECT_THAT(Fields(CheckConstraints({.min_replicas = 0, .min_nodes_per_expert = 3}, 2, 8, topology)),
              ElementsAre("constraints.min_replicas 0", "constraints.min_nodes_per_expert 3"));
  EXPECT_THAT(Fields(CheckConstraints({.min_nodes_per_expert = 2, .honour_groups = true}, 2, 8, topology)),
              ElementsAre("constraints.min_nodes_per_expert 2", "constraints.honour_groups 3 groups"));
  EXPECT_THAT(Fields(CheckConstraints({.slot_budget_per_layer = {7, 12, 13}}, 3, 8, topology)),
              ElementsAre("constraints.slot_budget_per_layer[0] 7", "constraints.slot_budget_per_layer[2] 13"));
  EXPECT_THAT(Fields(CheckConstraints({.slot_budget_per_layer = {7, 12, 13}}, 2, 8, topology)),
              ElementsAre("constraints.slot_budget_per_layer 3 entries"));
}

TEST(LostExperts, AreThoseOnlyOnExcludedGpus) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 6, .excluded_gpus = {0}});
  EXPECT_THAT(LostExperts(std::vector<std::int32_t>{0, 1, 1, 2, kEmptySlot, 3}, 4, topology), ElementsAre(0));
}

TEST(CheckPlacement, NamesTheRuleThatIsBroken) {
  const Topology topology =
      MakeTopology({.num_gpus = 3, .num_nodes = 2, .num_groups = 2, .num_slots = 6, .node_of_gpu = {0, 0, 1}});
  const Placement placement = OneLayer(4, {0, 1, 1, 2, 3, 2});
  EXPECT_TRUE(CheckPlacement(placement, {}, topology).ok());
  EXPECT_THAT(Fields(CheckPlacement(placement, {.min_replicas = 2}, topology)),
              ElementsAre("layers[0].physical_to_logical expert 0 has 1 usable replicas",
                          "layers[0].physical_to_logical expert 3 has 1 usable replicas"));
  EXPECT_THAT(Fields(CheckPlacement(placement, {.min_nodes_per_expert = 2}, topology)),
              ElementsAre("layers[0].physical_to_logical expert 0 is on 1 nodes",
                          "layers[0].physical_to_logical expert 1 is on 1 nodes",
                          "layers[0].physical_to_logical expert 3 is on 1 nodes"));
  EXPECT_THAT(Fields(CheckPlacement(placement, {.honour_groups = true}, topology)),
              ElementsAre("layers[0].physical_to_logical expert 2 of group 1",
                          "layers[0].physical_to_logical expert 3 of group 1"));
  EXPECT_THAT(Fields(CheckPlacement(placement, {.slot_budget_per_layer = {5}}, topology)),
              ElementsAre("layers[0].physical_to_logical 6 slots"));
  const Topology excluded = MakeTopology({.num_gpus = 3, .num_slots = 6, .excluded_gpus = {1}});
  EXPECT_THAT(Fields(CheckPlacement(placement, {}, excluded)),
              ElementsAre("layers[0].physical_to_logical[2] 1", "layers[0].physical_to_logical[3] 2"));
}

// Tries every choice of different experts for every usable GPU of a tiny fleet.
class Enumeration {
 public:
  Enumeration(const PlacementConstraints& constraints, int num_experts, const Topology& topology)
      : constraints_(constraints),
        num_experts_(num_experts),
        topology_(topology),
        slots_(Index(topology.num_slots())) {}

  // Whether some choice passes CheckPlacement.
  bool FindsPlacement() {
    std::ranges::fill(slots_, kEmptySlot);
    return Try(0);
  }

 private:
  bool Try(int gpu) {
    if (gpu == topology_.num_gpus()) {
      const auto placement = Placement::Create(1, num_experts_, topology_.num_slots(), slots_);
      return placement.ok() && CheckPlacement(*placement, constraints_, topology_).ok();
    }
    for (unsigned set = 0; set < (1U << num_experts_); ++set) {
      if (std::popcount(set) > topology_.slots_on(gpu) || (topology_.excluded(gpu) && set != 0)) continue;
      std::size_t slot = Index(topology_.first_slot(gpu));
      for (int i = 0; i < topology_.slots_on(gpu); ++i) slots_[slot + Index(i)] = kEmptySlot;
      for (int expert = 0; expert < num_experts_; ++expert) {
        if ((set >> expert) & 1U) slots_[slot++] = expert;
      }
      if (Try(gpu + 1)) return true;
    }
    return false;
  }

  const PlacementConstraints& constraints_;
  const int num_experts_;
  const Topology& topology_;
  std::vector<std::int32_t> slots_;
};

PlacementConstraints RandomConstraints(std::mt19937_64& random, int num_experts, const Topology& topology) {
  PlacementConstraints constraints;
  constraints.min_replicas = RandomInt(random, 1, std::min(3, topology.num_gpus()));
  if (RandomInt(random, 0, 1) == 0) constraints.min_nodes_per_expert = RandomInt(random, 1, topology.num_nodes());
  constraints.honour_groups =
      constraints.min_nodes_per_expert == 1 && num_experts % topology.num_groups() == 0 && RandomInt(random, 0, 1) == 0;
  if (RandomInt(random, 0, 2) == 0 && topology.num_slots() >= num_experts) {
    constraints.slot_budget_per_layer = {RandomInt(random, num_experts, topology.num_slots())};
  }
  return constraints;
}

TEST(CheckFeasible, AgreesWithEnumerationOnTinyFleets) {
  std::mt19937_64 random(41);
  int feasible = 0;
  int rounds = 0;
  while (rounds < 1500) {
    TopologyOptions options;
    options.num_gpus = RandomInt(random, 1, 4);
    options.num_nodes = RandomInt(random, 1, std::min(3, options.num_gpus));
    options.num_groups = RandomInt(random, 1, 3);
    for (int gpu = 0; gpu < options.num_gpus; ++gpu) {
      options.slots_per_gpu.push_back(RandomInt(random, 0, 4));
      options.num_slots += options.slots_per_gpu.back();
      options.node_of_gpu.push_back(RandomInt(random, 0, options.num_nodes - 1));
      if (RandomInt(random, 0, 5) == 0) options.excluded_gpus.push_back(gpu);
    }
    const absl::StatusOr<Topology> topology = Topology::Create(options);
    if (!topology.ok()) continue;  // no usable slot at all
    const int experts = RandomInt(random, 1, 4);
    const PlacementConstraints constraints = RandomConstraints(random, experts, *topology);
    if (!CheckConstraints(constraints, 1, experts, *topology).ok()) continue;
    ++rounds;
    const absl::Status status = CheckFeasible(constraints, 1, experts, *topology, nullptr);
    const bool exists = Enumeration(constraints, experts, *topology).FindsPlacement();
    ASSERT_EQ(status.ok(), exists) << status << " round " << rounds;
    feasible += exists ? 1 : 0;
  }
  EXPECT_GT(feasible, 200);
  EXPECT_LT(feasible, 1300);
}

}  // namespace
}  // namespace eplb
