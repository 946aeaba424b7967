// The published algorithm's own answers, as a caller of Rebalance gets them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/balancer/reference/reference_policy.h"
#include "server/base/parallel_for.h"
#include "server/model/contiguous_placement.h"
#include "server/rpc/convert/placement_message.h"
#include "server/rpc/convert/rebalance_request.h"
#include "server/rpc/convert/rebalance_response.h"
#include "server/rpc/convert/topology_message.h"
#include "tests/support/golden_cases.h"
#include "tests/support/published_policy.h"

namespace eplb {
namespace {

v1::RebalanceRequest RequestOf(const GoldenCase& golden) {
  v1::RebalanceRequest request;
  *request.mutable_topology() = TopologyMessage(golden.topology);
  request.mutable_options()->set_policy(PolicyMessage(PublishedPolicy(Topology::Create(golden.topology).value())));
  request.set_max_routing_entries(golden.topology.num_slots);
  v1::LoadSample& sample = *request.add_samples();
  for (std::size_t layer = 0; layer < golden.loads.size(); ++layer) {
    v1::LayerLoad& load = *sample.add_layers();
    load.set_model_layer(static_cast<int>(layer));
    for (const double tokens : golden.loads[layer]) load.add_tokens(static_cast<std::uint64_t>(tokens));
  }
  return request;
}

v1::RebalanceResponse Answer(const v1::RebalanceRequest& request) {
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
  EXPECT_TRUE(input.ok()) << input.status();
  const absl::StatusOr<GatedPlan> plan = PlanRequested(*input, SerialFor());
  EXPECT_TRUE(plan.ok()) << plan.status();
  v1::RebalanceResponse response;
  WriteRebalanceResponse(*input, *plan, absl::ZeroDuration(), response);
  return response;
}

// The inverse map of a layer as the published algorithm gives it, padded with -1.
GoldenCase::Rows InverseMap(const v1::LayerPlacement& layer, std::size_t width) {
  GoldenCase::Rows slots_of;
  int at = 0;
  for (const int count : layer.logical_to_physical_count()) {
    std::vector<std::int32_t>& row = slots_of.emplace_back(width, -1);
    for (int i = 0; i < count; ++i) row.at(static_cast<std::size_t>(i)) = layer.logical_to_physical(at++);
  }
  return slots_of;
}

template <typename Numbers>
std::vector<std::int32_t> ToVector(const Numbers& numbers) {
  return {numbers.begin(), numbers.end()};
}

// The same where the published answers leave it out: by the policy, which gives the one they have.
GoldenCase::Rows InverseMapOfPolicy(const GoldenCase& golden, std::size_t layer, std::size_t width) {
  const Topology topology = Topology::Create(golden.topology).value();
  ReferencePolicy policy(PublishedPolicy(topology) == Policy::kHierarchical
                             ? HierarchicalShape(golden.num_experts, topology)
                             : GlobalShape(golden.num_experts, topology));
  policy.Run(golden.loads[layer]);
  GoldenCase::Rows slots_of(static_cast<std::size_t>(golden.num_experts), std::vector<std::int32_t>(width, -1));
  for (std::size_t slot = 0; slot < policy.physical_to_logical().size(); ++slot) {
    const auto expert = static_cast<std::size_t>(policy.physical_to_logical()[slot]);
    slots_of[expert].at(static_cast<std::size_t>(policy.replica_rank()[slot])) = static_cast<std::int32_t>(slot);
  }
  return slots_of;
}

TEST(GoldenResponse, EveryPublishedCaseIsAnsweredToTheLastReplica) {
  const std::vector<GoldenCase> cases = GoldenCases();
  int published_maps = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const GoldenCase& golden = cases[i];
    const v1::RebalanceResponse response = Answer(RequestOf(golden));
    ASSERT_EQ(static_cast<std::size_t>(response.layers_size()), golden.loads.size());
    for (int layer = 0; layer < response.layers_size(); ++layer) {
      SCOPED_TRACE("case " + std::to_string(i) + " layer " + std::to_string(layer));
      const auto at = static_cast<std::size_t>(layer);
      EXPECT_EQ(ToVector(response.layers(layer).physical_to_logical()), golden.physical_to_logical[at]);
      EXPECT_EQ(ToVector(response.layers(layer).expert_count()), golden.expert_count[at]);
      const bool published = !golden.logical_to_physical.empty();
      published_maps += published ? 1 : 0;
      const auto width = static_cast<std::size_t>(*std::ranges::max_element(golden.expert_count[at]));
      EXPECT_EQ(InverseMap(response.layers(layer), width),
                published ? golden.logical_to_physical[at] : InverseMapOfPolicy(golden, at, width));
    }
  }
  EXPECT_EQ(published_maps, 2);
}

// With a current placement experts keep their slots, so that ranks mean nothing any more.
TEST(GoldenResponse, FromAnotherPlacementTheSlotsOfAnExpertRise) {
  const GoldenCase golden = GoldenCases().front();
  v1::RebalanceRequest request = RequestOf(golden);
  const Topology topology = Topology::Create(golden.topology).value();
  const int layers = request.samples(0).layers_size();
  const Placement current = ContiguousPlacement(layers, golden.num_experts, topology).value();
  for (int layer = 0; layer < layers; ++layer) {
    WriteLayerPlacement(current.layer(layer), golden.num_experts, layer, {.expert_count = false},
                        *request.add_current());
  }
  const v1::RebalanceResponse response = Answer(request);
  for (const v1::LayerPlacement& layer : response.layers()) {
    int at = 0;
    for (const int count : layer.logical_to_physical_count()) {
      for (int i = 1; i < count; ++i) {
        EXPECT_LT(layer.logical_to_physical(at + i - 1), layer.logical_to_physical(at + i));
      }
      at += count;
    }
  }
}

}  // namespace
}  // namespace eplb
