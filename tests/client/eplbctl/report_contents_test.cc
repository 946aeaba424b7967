#include "client/eplbctl/report_contents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eplb {
namespace {

using ::testing::ElementsAre;

// Two nodes of two GPUs with two slots each.
Topology FourGpus() { return *Topology::Create({.num_gpus = 4, .num_nodes = 2, .num_slots = 8}); }

TEST(NodeFetchesTest, CountWhatEachNodeSendsToEach) {
  const std::vector<Transfer> transfers = {
      {.expert = 0, .source_slot = 0, .target_slot = 2},   // within node 0
      {.expert = 2, .source_slot = 3, .target_slot = 6},   // from node 0 to node 1
      {.expert = 1, .source_slot = 5, .target_slot = 1},   // and back
      {.expert = 1, .source_slot = 4, .target_slot = 5},   // within a GPU: no fetch
      {.expert = 3, .source_slot = -1, .target_slot = 7},  // from node 1's checkpoint
  };
  EXPECT_THAT(NodeFetches(transfers, FourGpus()), ElementsAre(1, 1, 1, 1));
}

TEST(ReportContentsTest, HasTheShapesThatThePageAsksFor) {
  const Placement before = *Placement::Create(1, 4, 8, {0, 1, 2, 3, 0, 1, 2, 3});
  const RebalanceTask task{.description = "loads",
                           .samples = {{.loads = *LoadMatrix::Create(1, 4, {60, 20, 20, 0})}},
                           .model_layers = {3},
                           .topology = FourGpus(),
                           .topology_options = {},
                           .before = before,
                           .has_current = true,
                           .options = {},
                           .constraints = {}};
  RebalanceResult result{.policy = "optimized", .placement = *Placement::Create(1, 4, 8, {0, 1, 2, 0, 0, 1, 2, 3})};
  // From GPU 2, though GPU 0 on the same node has it too: the arrows are those of the plan.
  result.transfers = {{.expert = 0, .source_slot = 4, .target_slot = 3}};
  const auto data = ReportContents(task, result);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->gpu_before, ElementsAre(1.6, 0.4, 1.6, 0.4));
  EXPECT_THAT(data->gpu_after, ElementsAre(1.2, 1.2, 1.2, 0.4));
  EXPECT_THAT(data->replicas, ElementsAre(3, 2, 2, 1));
  EXPECT_THAT(data->expert_share, ElementsAre(0.6, 0.2, 0.2, 0));
  EXPECT_THAT(data->node_fetches, ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(data->node_of_gpu, ElementsAre(0, 0, 1, 1));
}

}  // namespace
}  // namespace eplb
