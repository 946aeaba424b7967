// What must hold of every plan of the reference policies, on seeded random problems.

#include <algorithm>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/balancer.h"
#include "server/base/thread_team.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

// The lowest largest GPU load over every placement with even replica sharing, by trying all of them: each GPU in turn
// is given each multiset of experts. Exponential: a handful of slots only.
class BruteForce {
 public:
  BruteForce(const Topology& topology, std::span<const double> loads)
      : topology_(topology), loads_(loads), slots_(static_cast<std::size_t>(topology.num_slots())), meter_(topology) {}

  double Best() {
    Fill(0);
    return best_;
  }

 private:
  void Fill(int slot) {
    if (slot == topology_.num_slots()) {
      const std::vector<std::int32_t> counts = CountReplicas(slots_, static_cast<int>(loads_.size()));
      if (std::ranges::find(counts, 0) == counts.end()) best_ = std::min(best_, meter_.Measure(slots_, loads_).max);
      return;
    }
    const bool first_on_gpu = slot == topology_.first_slot(topology_.gpu_of_slot(slot));
    // Order within a GPU does not matter, so only rising sequences are tried.
    for (std::int32_t expert = first_on_gpu ? 0 : slots_[static_cast<std::size_t>(slot) - 1];
         expert < static_cast<std::int32_t>(loads_.size()); ++expert) {
      slots_[static_cast<std::size_t>(slot)] = expert;
      Fill(slot + 1);
    }
  }

  const Topology& topology_;
  std::span<const double> loads_;
  std::vector<std::int32_t> slots_;
  BalanceMeter meter_;
  double best_ = std::numeric_limits<double>::infinity();
};

TEST(BalancerProperty, ReferencePlansKeepEveryRule) {
  testing::RandomProblems random(11);
  for (int round = 0; round < 300; ++round) {
    const int experts = random.Int(1, 64);
    const int layers = random.Int(1, 4);
    const Topology topology = random.UniformTopology(experts, 12);
    const LoadSample sample{.loads = random.Loads(layers, experts)};
    const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
    const RebalancePlan plan = PlanRebalance(problem, {.policy = Policy::kGlobal}, SerialFor()).value();
    for (int layer = 0; layer < layers; ++layer) {
      const std::vector<std::int32_t> counts = CountReplicas(plan.placement.layer(layer), experts);
      EXPECT_GE(*std::ranges::min_element(counts), 1);
      EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), topology.num_slots());
      const LayerReport& report = plan.layers[static_cast<std::size_t>(layer)];
      EXPECT_GE(report.after.max, report.lower_bound * (1 - 1e-12));
      EXPECT_GE(report.before.max, report.lower_bound * (1 - 1e-12));
    }
  }
}

TEST(BalancerProperty, HierarchicalPlansKeepGroupsOnNodes) {
  testing::RandomProblems random(15);
  for (int round = 0; round < 300; ++round) {
    const int nodes = random.Int(1, 6);
    const int groups = nodes * random.Int(1, 4);
    const int group_size = random.Int(1, 8);
    const int experts = groups * group_size;
    const int gpus = nodes * random.Int(1, 5);
    const int slots = gpus * ((experts + gpus - 1) / gpus + random.Int(0, 3));
    const int layers = random.Int(1, 3);
    const TopologyOptions options{.num_gpus = gpus, .num_nodes = nodes, .num_groups = groups, .num_slots = slots};
    const Topology topology = Topology::Create(options).value();
    const LoadSample sample{.loads = random.Loads(layers, experts)};
    const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
    const RebalancePlan plan = PlanRebalance(problem, {.policy = Policy::kHierarchical}, SerialFor()).value();
    ASSERT_EQ(plan.placement.num_slots(), slots);
    for (int layer = 0; layer < layers; ++layer) {
      SCOPED_TRACE(::testing::Message() << "round " << round << ", layer " << layer);
      const std::span<const std::int32_t> placed = plan.placement.layer(layer);
      const std::vector<std::int32_t> counts = CountReplicas(placed, experts);
      EXPECT_GE(*std::ranges::min_element(counts), 1);
      EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), slots) << "no slot is empty";
      std::vector<int> node_of_group(static_cast<std::size_t>(groups), -1);
      std::vector<int> groups_on(static_cast<std::size_t>(nodes), 0);
      for (int slot = 0; slot < slots; ++slot) {
        const int node = topology.node_of_gpu(topology.gpu_of_slot(slot));
        int& home = node_of_group[static_cast<std::size_t>(placed[static_cast<std::size_t>(slot)] / group_size)];
        if (home < 0) ++groups_on[static_cast<std::size_t>(node)];
        if (home < 0) home = node;
        EXPECT_EQ(home, node) << "slot " << slot;
      }
      EXPECT_EQ(groups_on, std::vector<int>(static_cast<std::size_t>(nodes), groups / nodes));
      const LayerReport& report = plan.layers[static_cast<std::size_t>(layer)];
      EXPECT_GE(report.after.max, report.lower_bound * (1 - 1e-12));
    }
  }
}

TEST(BalancerProperty, TheAnswerDoesNotDependOnThreads) {
  testing::RandomProblems random(12);
  const ThreadTeam team(4);
  for (int round = 0; round < 50; ++round) {
    const int experts = random.Int(2, 64);
    const Topology topology = random.UniformTopology(experts, 12);
    const LoadSample sample{.loads = random.Loads(16, experts)};
    const RebalanceProblem problem{.topology = &topology, .samples = {&sample, 1}};
    EXPECT_EQ(PlanRebalance(problem, {}, SerialFor())->placement, PlanRebalance(problem, {}, team)->placement);
  }
}

TEST(BalancerProperty, RelabellingTheLayersRelabelsTheAnswer) {
  testing::RandomProblems random(13);
  for (int round = 0; round < 50; ++round) {
    const int experts = random.Int(2, 40);
    const int layers = 6;
    const Topology topology = random.UniformTopology(experts, 8);
    const LoadSample sample{.loads = random.Loads(layers, experts)};
    std::vector<double> reversed;
    for (int layer = layers; layer-- > 0;) {
      const std::span<const double> row = sample.loads.layer(layer);
      reversed.insert(reversed.end(), row.begin(), row.end());
    }
    const LoadSample reversed_sample{.loads = LoadMatrix::Create(layers, experts, reversed).value()};
    const Placement plain = PlanRebalance({.topology = &topology, .samples = {&sample, 1}}, {}, SerialFor())->placement;
    const Placement mirrored =
        PlanRebalance({.topology = &topology, .samples = {&reversed_sample, 1}}, {}, SerialFor())->placement;
    for (int layer = 0; layer < layers; ++layer) {
      EXPECT_TRUE(std::ranges::equal(plain.layer(layer), mirrored.layer(layers - 1 - layer)));
    }
  }
}

TEST(BalancerProperty, NoPlanBeatsTheOptimumNorTheBoundOfTinyCases) {
  testing::RandomProblems random(14);
  for (int round = 0; round < 60; ++round) {
    const int experts = random.Int(1, 4);
    const Topology topology = random.UniformTopology(experts, 3);
    if (topology.num_slots() > 6) continue;
    const LoadSample sample{.loads = random.Loads(1, experts)};
    const double best = BruteForce(topology, sample.loads.layer(0)).Best();
    for (const Policy policy : {Policy::kAuto, Policy::kGlobal}) {
      const RebalancePlan plan =
          PlanRebalance({.topology = &topology, .samples = {&sample, 1}}, {.policy = policy}, SerialFor()).value();
      EXPECT_GE(plan.layers[0].after.max, best * (1 - 1e-12));
      EXPECT_LE(plan.layers[0].lower_bound, best * (1 + 1e-12));
    }
  }
}

}  // namespace
}  // namespace eplb
