// The published algorithm's own answers (tests/testdata/reference_cases.json), to the last slot.

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/balancer/reference/reference_policy.h"

namespace eplb {
namespace {

using Rows = std::vector<std::vector<std::int32_t>>;

std::vector<nlohmann::json> GoldenCases() {
  std::ifstream file(std::string(EPLB_TESTDATA_DIR) + "/reference_cases.json");
  return nlohmann::json::parse(file).get<std::vector<nlohmann::json>>();
}

Topology TopologyOf(const nlohmann::json& golden) {
  absl::StatusOr<Topology> topology = Topology::Create({.num_gpus = golden.at("gpus"),
                                                        .num_nodes = golden.at("nodes"),
                                                        .num_groups = golden.at("groups"),
                                                        .num_slots = golden.at("replicas")});
  EXPECT_TRUE(topology.ok()) << topology.status();
  return *std::move(topology);
}

ReferenceShape ShapeOf(const nlohmann::json& golden) {
  const Topology topology = TopologyOf(golden);
  return ReferenceChoosesHierarchical(topology) ? HierarchicalShape(golden.at("experts"), topology)
                                                : GlobalShape(golden.at("experts"), topology);
}

// The published inverse map: for each expert, its slots in the order of their replica ranks, padded with -1.
Rows InverseMap(const ReferencePolicy& policy, std::size_t width) {
  Rows slots_of(policy.expert_count().size(), std::vector<std::int32_t>(width, -1));
  for (std::size_t slot = 0; slot < policy.physical_to_logical().size(); ++slot) {
    const auto expert = static_cast<std::size_t>(policy.physical_to_logical()[slot]);
    slots_of[expert].at(static_cast<std::size_t>(policy.replica_rank()[slot])) = static_cast<std::int32_t>(slot);
  }
  return slots_of;
}

TEST(Golden, EveryPublishedCaseMatchesToTheLastSlot) {
  const std::vector<nlohmann::json> cases = GoldenCases();
  ASSERT_EQ(cases.size(), 39U);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const nlohmann::json& golden = cases[i];
    const ReferenceShape shape = ShapeOf(golden);
    ASSERT_TRUE(ValidateReferenceShape(shape).ok()) << "case " << i;
    ReferencePolicy policy(shape);
    for (std::size_t layer = 0; layer < golden.at("loads").size(); ++layer) {
      SCOPED_TRACE("case " + std::to_string(i) + " layer " + std::to_string(layer));
      policy.Run(golden.at("loads")[layer].get<std::vector<double>>());
      EXPECT_EQ(std::vector(policy.physical_to_logical().begin(), policy.physical_to_logical().end()),
                golden.at("physical_to_logical")[layer].get<std::vector<std::int32_t>>());
      EXPECT_EQ(std::vector(policy.expert_count().begin(), policy.expert_count().end()),
                golden.at("expert_count")[layer].get<std::vector<std::int32_t>>());
      if (golden.contains("logical_to_physical")) {
        const Rows inverse = golden.at("logical_to_physical")[layer].get<Rows>();
        EXPECT_EQ(InverseMap(policy, inverse.at(0).size()), inverse);
      }
    }
  }
}

}  // namespace
}  // namespace eplb
