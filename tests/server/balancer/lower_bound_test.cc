#include "server/balancer/lower_bound.h"

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(LowerBound, IsTheMeanWhereLoadsAreMany) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4}).value();
  EXPECT_DOUBLE_EQ(LayerLowerBound(std::vector<double>{10, 10, 10, 10}, 4, topology), 20);
}

TEST(LowerBound, IsTheHeaviestReplicaWhereOneExpertDominates) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 4}).value();
  EXPECT_DOUBLE_EQ(LayerLowerBound(std::vector<double>{90, 1, 1}, 4, topology), 45);
}

TEST(LowerBound, CountsSpeed) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 2, .gpu_speed = {1, 3}}).value();
  EXPECT_DOUBLE_EQ(LayerLowerBound(std::vector<double>{90, 10}, 2, topology), 30);
}

}  // namespace
}  // namespace eplb
