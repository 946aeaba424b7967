#include "server/model/contiguous_placement.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/field_errors.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

Placement Contiguous(int num_experts, TopologyOptions options) {
  return ContiguousPlacement(1, num_experts, Topology::Create(std::move(options)).value()).value();
}

TEST(ContiguousPlacement, EachGpuHoldsItsExpertsAndThenItsRedundantOnes) {
  EXPECT_THAT(Contiguous(8, {.num_gpus = 4, .num_slots = 12}).layer(0),
              ElementsAre(0, 1, 4, 2, 3, 6, 4, 5, 0, 6, 7, 2));
}

TEST(ContiguousPlacement, TwoRedundantSlotsPerGpuAreCountedOverAllGpus) {
  EXPECT_THAT(Contiguous(4, {.num_gpus = 2, .num_slots = 8}).layer(0), ElementsAre(0, 1, 2, 0, 2, 3, 2, 0));
}

TEST(ContiguousPlacement, WithoutRedundancyItIsTheIdentity) {
  EXPECT_THAT(Contiguous(4, {.num_gpus = 2, .num_slots = 4}).layer(0), ElementsAre(0, 1, 2, 3));
}

TEST(ContiguousPlacement, WrapsAroundWhereGpusDoNotDivide) {
  EXPECT_THAT(Contiguous(3, {.num_gpus = 2, .num_slots = 6}).layer(0), ElementsAre(0, 1, 2, 0, 1, 2));  // experts
  EXPECT_THAT(Contiguous(4, {.num_gpus = 2, .num_slots = 5}).layer(0), ElementsAre(0, 1, 2, 3, 0));     // redundant
}

TEST(ContiguousPlacement, WrapsAroundWhereSlotsAreUneven) {
  EXPECT_THAT(Contiguous(4, {.num_gpus = 2, .num_slots = 6, .slots_per_gpu = {4, 2}}).layer(0),
              ElementsAre(0, 1, 2, 3, 0, 1));
}

TEST(ContiguousPlacement, RefusesFewerSlotsThanExperts) {
  const Topology topology = Topology::Create({.num_gpus = 2, .num_slots = 4}).value();
  const absl::Status status = ContiguousPlacement(1, 5, topology).status();
  ASSERT_EQ(FieldErrorsOf(status).size(), 1U) << status;
  EXPECT_EQ(FieldErrorsOf(status)[0].field, "num_slots");
}

}  // namespace
}  // namespace eplb
