#include "server/model/topology.h"

#include <limits>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/field_errors.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> BrokenFields(TopologyOptions options) {
  std::vector<std::string> fields;
  for (const FieldError& error : FieldErrorsOf(Topology::Create(std::move(options)).status())) {
    fields.push_back(error.field + "=" + error.value);
  }
  return fields;
}

TEST(Topology, EvenSlotsLieGpuByGpu) {
  const Topology topology = Topology::Create({.num_gpus = 4, .num_nodes = 2, .num_slots = 12}).value();
  EXPECT_TRUE(topology.is_uniform());
  EXPECT_TRUE(topology.has_block_nodes());
  EXPECT_EQ(topology.gpu_of_slot(0), 0);
  EXPECT_EQ(topology.gpu_of_slot(11), 3);
  EXPECT_EQ(topology.first_slot(2), 6);
  EXPECT_EQ(topology.slots_on(2), 3);
  EXPECT_EQ(topology.node_of_gpu(1), 0);
  EXPECT_EQ(topology.node_of_gpu(2), 1);
}

TEST(Topology, SlotsThatDoNotDivideGoToTheFirstGpus) {
  const Topology topology = Topology::Create({.num_gpus = 3, .num_slots = 8}).value();
  EXPECT_FALSE(topology.has_even_slots());
  EXPECT_FALSE(topology.is_uniform());
  EXPECT_THAT((std::vector<int>{topology.slots_on(0), topology.slots_on(1), topology.slots_on(2)}),
              ElementsAre(3, 3, 2));
}

TEST(Topology, NodesThatDoNotDivideGetBlocksAsEqualAsPossible) {
  const Topology topology = Topology::Create({.num_gpus = 5, .num_nodes = 2, .num_slots = 5}).value();
  EXPECT_FALSE(topology.has_block_nodes());
  EXPECT_EQ(topology.node_of_gpu(2), 0);
  EXPECT_EQ(topology.node_of_gpu(3), 1);
}

TEST(Topology, ExcludedGpusAreNotUsable) {
  const Topology topology =
      Topology::Create({.num_gpus = 3, .num_slots = 6, .slots_per_gpu = {1, 2, 3}, .excluded_gpus = {2}}).value();
  EXPECT_TRUE(topology.excluded(2));
  EXPECT_EQ(topology.num_usable_gpus(), 2);
  EXPECT_EQ(topology.num_usable_slots(), 3);
  EXPECT_FALSE(topology.is_uniform());
}

TEST(Topology, DrainingGpusCanStillSend) {
  const Topology topology =
      Topology::Create({.num_gpus = 3, .num_slots = 6, .excluded_gpus = {1, 2}, .draining_gpus = {2}}).value();
  EXPECT_TRUE(topology.can_send(0));
  EXPECT_FALSE(topology.can_send(1));
  EXPECT_TRUE(topology.can_send(2));
  EXPECT_TRUE(topology.excluded(2));
  EXPECT_THAT(BrokenFields({.num_gpus = 3, .num_slots = 6, .excluded_gpus = {1}, .draining_gpus = {0}}),
              ElementsAre("draining_gpus=0"));
}

TEST(Topology, NamesEachFieldOutOfBounds) {
  EXPECT_THAT(BrokenFields({}), ElementsAre("num_gpus=0", "num_slots=0"));
  EXPECT_THAT(BrokenFields({.num_gpus = kMaxGpus + 1, .num_groups = 0, .num_slots = kMaxSlots + 1}),
              ElementsAre("num_gpus=16385", "num_slots=65537", "num_groups=0"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_nodes = 3, .num_slots = 2}), ElementsAre("num_nodes=3"));
  EXPECT_THAT(BrokenFields({.num_gpus = -1, .num_slots = 4}), ElementsAre("num_gpus=-1"));
}

TEST(Topology, NamesEachBadEntryOfItsLists) {
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 4, .slots_per_gpu = {1, 2, 1}}),
              ElementsAre("slots_per_gpu=3 entries"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 4, .slots_per_gpu = {5, -1}}),
              ElementsAre("slots_per_gpu[1]=-1"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 4, .slots_per_gpu = {1, 2}}),
              ElementsAre("slots_per_gpu=sum 3"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 2, .gpu_speed = {0, 1}}), ElementsAre("gpu_speed[0]=0"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 2, .gpu_speed = {1, std::numeric_limits<double>::quiet_NaN()}}),
              ElementsAre("gpu_speed[1]=nan"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 2, .node_of_gpu = {0, 1}}), ElementsAre("node_of_gpu[1]=1"));
  EXPECT_THAT(BrokenFields({.num_gpus = 3, .num_slots = 3, .excluded_gpus = {3, 0, 0}}),
              ElementsAre("excluded_gpus[0]=3", "excluded_gpus[2]=0"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 2, .excluded_gpus = {2, 0, 0}}),
              ElementsAre("excluded_gpus=3 entries"));
  EXPECT_THAT(BrokenFields({.num_gpus = 2, .num_slots = 2, .excluded_gpus = {0, 1}}),
              ElementsAre("excluded_gpus=2 GPUs"));
}

}  // namespace
}  // namespace eplb
