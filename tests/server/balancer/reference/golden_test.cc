// The published algorithm's own answers (tests/testdata/reference_cases.json), to the last slot.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/reference/reference_policy.h"
#include "tests/support/golden_cases.h"
#include "tests/support/published_policy.h"

namespace eplb {
namespace {

ReferenceShape ShapeOf(const GoldenCase& golden) {
  const absl::StatusOr<Topology> topology = Topology::Create(golden.topology);
  EXPECT_TRUE(topology.ok()) << topology.status();
  return PublishedPolicy(*topology) == Policy::kHierarchical ? HierarchicalShape(golden.num_experts, *topology)
                                                             : GlobalShape(golden.num_experts, *topology);
}

// The published inverse map: for each expert, its slots in the order of their replica ranks, padded with -1.
GoldenCase::Rows InverseMap(const ReferencePolicy& policy, std::size_t width) {
  GoldenCase::Rows slots_of(policy.expert_count().size(), std::vector<std::int32_t>(width, -1));
  for (std::size_t slot = 0; slot < policy.physical_to_logical().size(); ++slot) {
    const auto expert = static_cast<std::size_t>(policy.physical_to_logical()[slot]);
    slots_of[expert].at(static_cast<std::size_t>(policy.replica_rank()[slot])) = static_cast<std::int32_t>(slot);
  }
  return slots_of;
}

TEST(Golden, EveryPublishedCaseMatchesToTheLastSlot) {
  const std::vector<GoldenCase> cases = GoldenCases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const GoldenCase& golden = cases[i];
    const ReferenceShape shape = ShapeOf(golden);
    ASSERT_TRUE(ValidateReferenceShape(shape).ok()) << "case " << i;
    ReferencePolicy policy(shape);
    for (std::size_t layer = 0; layer < golden.loads.size(); ++layer) {
      SCOPED_TRACE("case " + std::to_string(i) + " layer " + std::to_string(layer));
      policy.Run(golden.loads[layer]);
      EXPECT_EQ(std::vector(policy.physical_to_logical().begin(), policy.physical_to_logical().end()),
                golden.physical_to_logical[layer]);
      EXPECT_EQ(std::vector(policy.expert_count().begin(), policy.expert_count().end()), golden.expert_count[layer]);
      if (golden.logical_to_physical.empty()) continue;
      const GoldenCase::Rows& inverse = golden.logical_to_physical[layer];
      EXPECT_EQ(InverseMap(policy, inverse.at(0).size()), inverse);
    }
  }
}

}  // namespace
}  // namespace eplb
