#include "client/eplbctl/live/deployment_view.h"

#include <gtest/gtest.h>

#include "client/eplbctl/live/screen.h"

namespace eplb {
namespace {

// 8 GPUs of 5 slots, for 32 experts.
v1::GetPlacementResponse Response() {
  v1::GetPlacementResponse response;
  response.mutable_spec()->set_num_experts(32);
  response.mutable_spec()->mutable_topology()->set_num_gpus(8);
  response.mutable_spec()->mutable_topology()->set_num_slots(40);
  return response;
}

TEST(DeploymentViewTest, SaysWhyADeploymentCannotBePlanned) {
  v1::GetPlacementResponse response = Response();
  EXPECT_EQ(WhyUnplannable(response), "");
  v1::WorkerStatus& worker = *response.add_workers();
  worker.set_first_rank(2);
  worker.set_num_ranks(1);
  worker.set_liveness(v1::WORKER_LIVENESS_EXCLUDED);
  EXPECT_EQ(WhyUnplannable(response), "") << "35 slots are enough";
  response.mutable_deployment()->mutable_control()->add_draining_gpus(2);
  EXPECT_EQ(WhyUnplannable(response), "") << "the same GPU";
  response.mutable_deployment()->mutable_control()->add_excluded_gpus(7);
  EXPECT_EQ(WhyUnplannable(response),
            "GPUs 2,7 are excluded, draining or silent, which leaves 30 slots in each layer: too few for 32 experts");
}

TEST(DeploymentViewTest, SaysWhoIsAwaitedAndWhatWorkersAre) {
  v1::Deployment deployment;
  deployment.set_awaiting("worker 'w0' to apply version 1.2");
  EXPECT_EQ(DeploymentJson(deployment)["awaiting"], "worker 'w0' to apply version 1.2");
  v1::WorkerStatus worker;
  worker.set_user_agent("engine/7");
  worker.set_fetched_bytes(4096);
  EXPECT_EQ(WorkerJson(worker)["user_agent"], "engine/7");
  EXPECT_EQ(WorkerJson(worker)["fetched_bytes"], 4096);
}

TEST(DeploymentViewTest, UnevenSlotsAndReplicasCount) {
  v1::GetPlacementResponse response = Response();
  for (const int slots : {12, 4, 4, 4, 4, 4, 4, 4})
    response.mutable_spec()->mutable_topology()->add_slots_per_gpu(slots);
  response.mutable_deployment()->mutable_control()->add_excluded_gpus(1);
  EXPECT_EQ(WhyUnplannable(response), "");
  response.mutable_spec()->mutable_constraints()->set_min_replicas(2);
  EXPECT_EQ(WhyUnplannable(response),
            "GPUs 1 are excluded, draining or silent, which leaves 36 slots in each layer: too few for 32 experts of 2 "
            "replicas each");
}

TEST(DeploymentViewTest, EventsAreObjectsOfOneLine) {
  v1::WatchPlacementsResponse event;
  event.mutable_version()->set_epoch(5);
  event.mutable_version()->set_revision(2);
  event.mutable_placement()->mutable_base()->set_epoch(5);
  v1::LayerPlacement& layer = *event.mutable_placement()->add_layers();
  layer.set_model_layer(3);
  layer.add_physical_to_logical(1);
  layer.add_physical_to_logical(0);
  v1::Transfer& transfer = *event.mutable_placement()->add_transfers();
  transfer.set_model_layer(3);
  transfer.set_expert(1);
  transfer.set_source_slot(-1);
  EXPECT_EQ(EventJson("now", event).dump(),
            R"({"time":"now","event":"placement","version":{"epoch":5,"revision":2},"base":{"epoch":5,"revision":0},)"
            R"("on_commit":false,"layers":[{"model_layer":3,"physical_to_logical":[1,0]}],)"
            R"("transfers":[{"model_layer":3,"expert":1,"source_slot":-1,"target_slot":0,"step":0}]})");
  event.mutable_commit();
  EXPECT_EQ(EventJson("now", event).dump(), R"({"time":"now","event":"commit","version":{"epoch":5,"revision":2}})");
  event.mutable_draining();
  EXPECT_EQ(EventJson("now", event).dump(), R"({"time":"now","event":"draining"})");
}

TEST(ScreenTest, LinesThatDoNotFitAreCounted) {
  EXPECT_EQ(FitToRows("a\nb\n", 3), "a\x1b[K\r\nb\x1b[K");
  EXPECT_EQ(FitToRows("a\nb\nc\n", 3), "a\x1b[K\r\nb\x1b[K\r\nc\x1b[K");
  EXPECT_EQ(FitToRows("a\nb\nc\nd\n", 3), "a\x1b[K\r\nb\x1b[K\r\n... 2 more lines\x1b[K");
  EXPECT_EQ(FitToRows("a\nb\n", 1), "... 2 more lines\x1b[K");
}

}  // namespace
}  // namespace eplb
