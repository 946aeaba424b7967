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

TEST(LowerBound, KnowsThatLightCompanyIsScarce) {
  // The example of company_bound.h. The optimum is 29.
  const Topology topology = Topology::Create({.num_gpus = 3, .num_slots = 9}).value();
  EXPECT_NEAR(LayerLowerBound(std::vector<double>{20, 9, 9, 9, 9, 8, 8, 8, 1}, 9, topology), 28, 1e-3);
}

TEST(LowerBound, PairsHaveNoRoomForTwoHeavyReplicas) {
  // Four heavy replicas on four GPUs: one of them is beside the 6, however light the rest is.
  const Topology topology = Topology::Create({.num_gpus = 4, .num_slots = 8}).value();
  EXPECT_NEAR(LayerLowerBound(std::vector<double>{10, 10, 10, 10, 6, 6, 6, 6}, 8, topology), 16, 1e-3);
  EXPECT_NEAR(LayerLowerBound(std::vector<double>{10, 10, 10, 10, 6, 1, 1, 1}, 8, topology), 16, 1e-3);
}

TEST(LowerBound, CountsSpeed) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 2, .gpu_speed = {1, 3}}).value();
  EXPECT_DOUBLE_EQ(LayerLowerBound(std::vector<double>{90, 10}, 2, topology), 30);
}

}  // namespace
}  // namespace eplb
