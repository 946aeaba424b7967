#include "server/balancer/search/group_packing.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/search/group_nodes.h"
#include "server/base/index.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

double MaxOf(const std::vector<int>& node_of, const std::vector<double>& loads,
             const std::vector<GroupPacking::Node>& nodes) {
  std::vector<double> carried(nodes.size(), 0);
  std::vector<int> held(nodes.size(), 0);
  for (std::size_t group = 0; group < loads.size(); ++group) {
    carried[Index(node_of[group])] += loads[group];
    ++held[Index(node_of[group])];
  }
  double max = 0;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (held[node] > nodes[node].room || held[node] < nodes[node].least) {
      return std::numeric_limits<double>::infinity();
    }
    max = std::max(max, carried[node] / nodes[node].speed);
  }
  return max;
}

double BestOfAll(const std::vector<double>& loads, const std::vector<GroupPacking::Node>& nodes) {
  std::vector<int> node_of(loads.size(), 0);
  double best = std::numeric_limits<double>::infinity();
  while (true) {
    best = std::min(best, MaxOf(node_of, loads, nodes));
    std::size_t place = 0;
    while (place < node_of.size() && node_of[place] + 1 == static_cast<int>(nodes.size())) node_of[place++] = 0;
    if (place == node_of.size()) return best;
    ++node_of[place];
  }
}

TEST(GroupPacking, FindsTheOptimum) {
  testing::RandomProblems random(61);
  GroupPacking packing;
  for (int round = 0; round < 200; ++round) {
    const int groups = random.Int(1, 7);
    std::vector<GroupPacking::Node> nodes(Index(random.Int(1, 3)));
    int room = 0;
    int least = 0;
    for (GroupPacking::Node& node : nodes) {
      node = {.speed = random.Int(1, 2) * 1.0, .room = random.Int(1, groups), .least = 0};
      node.least = random.Int(0, std::min(1, node.room));
      room += node.room;
      least += node.least;
    }
    if (room < groups || least > groups) continue;
    std::vector<double> loads(Index(groups));
    for (double& load : loads) load = random.Int(1, 50);
    const std::span<const std::int32_t> found = packing.Run(loads, nodes);
    ASSERT_EQ(found.size(), loads.size());
    EXPECT_TRUE(packing.proven());
    EXPECT_DOUBLE_EQ(packing.max(), BestOfAll(loads, nodes)) << "round " << round;
    EXPECT_NEAR(MaxOf({found.begin(), found.end()}, loads, nodes), packing.max(), 1e-9);
  }
}

TEST(GroupPacking, SaysWhenTheRoomDoesNotSuffice) {
  GroupPacking packing;
  const std::vector<GroupPacking::Node> nodes(2, {.speed = 1, .room = 1, .least = 0});
  EXPECT_TRUE(packing.Run(std::vector<double>{1, 2, 3}, nodes).empty());
}

TEST(GroupPacking, EndsWithAnAnswerWhereThereAreTooManyToTry) {
  testing::RandomProblems random(62);
  const std::vector<GroupPacking::Node> nodes(16, {.speed = 8, .room = 4, .least = 4});
  std::vector<double> loads(64);
  for (double& load : loads) load = 100 + random.Int(0, 900);
  GroupPacking packing;
  EXPECT_EQ(packing.Run(loads, nodes).size(), loads.size());
}

TEST(NodesForGroups, CountsWhatSlotsCanHold) {
  // Node 0: 2 GPUs of 6 slots, node 1: one of its 2 GPUs is excluded. Groups of 4 experts.
  const Topology topology =
      Topology::Create({.num_gpus = 4, .num_nodes = 2, .num_groups = 3, .num_slots = 24, .excluded_gpus = {3}}).value();
  const std::vector<GroupPacking::Node> nodes = NodesForGroups(topology, 12, 1);
  EXPECT_EQ(nodes[0].room, 3);
  EXPECT_EQ(nodes[0].least, 2);
  EXPECT_EQ(nodes[0].speed, 2);
  EXPECT_EQ(nodes[1].room, 1);
  EXPECT_EQ(NodesForGroups(topology, 12, 2)[1].room, 0);
}

TEST(GroupPacking, AsManyGroupsAndNodesAsThereMayBeEndInTime) {
  // 4096 groups on 4096 nodes are 10^10 comparisons of nodes where each is compared with all before it.
  std::vector<double> loads;
  for (int group = 0; group < 4096; ++group) loads.push_back(1.0 + group);
  const std::vector<GroupPacking::Node> nodes(4096, {.speed = 1, .room = 1, .least = 0});
  GroupPacking packing;
  std::vector<int> held(nodes.size(), 0);
  for (const std::int32_t node : packing.Run(loads, nodes)) ++held[Index(node)];
  EXPECT_EQ(held, std::vector<int>(nodes.size(), 1));
  EXPECT_EQ(packing.max(), 4096.0);
  EXPECT_FALSE(packing.proven());
}

}  // namespace
}  // namespace eplb
