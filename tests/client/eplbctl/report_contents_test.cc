#include "client/eplbctl/report_contents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eplb {
namespace {

using ::testing::ElementsAre;

// Two nodes of two GPUs with two slots each.
Topology FourGpus() { return *Topology::Create({.num_gpus = 4, .num_nodes = 2, .num_slots = 8}); }

TEST(NodeFetchesTest, ComeFromTheirOwnNodeWhereItHasTheExpert) {
  const Placement before = *Placement::Create(1, 4, 8, {0, 1, 2, 3, 0, 1, 0, 1});
  //                                                   GPU 1 takes expert 0 from GPU 0, GPU 3 expert 2 from node 0.
  const Placement after = *Placement::Create(1, 4, 8, {0, 1, 0, 3, 0, 1, 2, 1});
  EXPECT_THAT(NodeFetches(before, after, FourGpus()), ElementsAre(1, 1, 0, 0));
}

TEST(NodeFetchesTest, MovesWithinAGpuAndTwinsAreNoFetches) {
  const Placement before = *Placement::Create(1, 4, 8, {0, 1, 2, 3, 0, 1, 0, 1});
  const Placement after = *Placement::Create(1, 4, 8, {1, 0, 2, 3, 1, 1, 2, 2});
  EXPECT_THAT(NodeFetches(before, after, FourGpus()), ElementsAre(0, 1, 0, 0));
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
  const auto data = ReportContents(task, result);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->gpu_before, ElementsAre(1.6, 0.4, 1.6, 0.4));
  EXPECT_THAT(data->gpu_after, ElementsAre(1.2, 1.2, 1.2, 0.4));
  EXPECT_THAT(data->replicas, ElementsAre(3, 2, 2, 1));
  EXPECT_THAT(data->expert_share, ElementsAre(0.6, 0.2, 0.2, 0));
  EXPECT_THAT(data->node_fetches, ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(data->node_of_gpu, ElementsAre(0, 0, 1, 1));
}

}  // namespace
}  // namespace eplb
