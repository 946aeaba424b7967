#include "server/model/placement.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/field_errors.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

std::string FirstError(int layers, int experts, int slots, std::vector<std::int32_t> values) {
  const std::vector<FieldError> errors =
      FieldErrorsOf(Placement::Create(layers, experts, slots, std::move(values)).status());
  return errors.empty() ? "" : errors[0].field + ": " + errors[0].value + ": " + errors[0].rule;
}

TEST(Placement, GivesLayersAndTheirInverse) {
  const Placement placement = Placement::Create(2, 2, 3, {0, 1, 0, 1, kEmptySlot, 0}).value();
  EXPECT_THAT(placement.layer(1), ElementsAre(1, kEmptySlot, 0));
  EXPECT_THAT(CountReplicas(placement.layer(0), 2), ElementsAre(2, 1));
  EXPECT_THAT(LogicalToPhysical(placement.layer(0), 2), ElementsAre(ElementsAre(0, 2), ElementsAre(1)));
  EXPECT_THAT(LogicalToPhysical(placement.layer(1), 2), ElementsAre(ElementsAre(2), ElementsAre(0)));
}

TEST(Placement, RefusesWrongShapesAndValues) {
  EXPECT_EQ(FirstError(1, 2, 3, {0, 1}), "layers: 2 values: must be layers x slots = 1 x 3");
  EXPECT_EQ(FirstError(1, 2, 0, {}), "layers: 0 slots: must be from 1 to 65536");
  EXPECT_EQ(FirstError(1, 2, 3, {0, 1, 2}), "layers[0].physical_to_logical[2]: 2: must be from -1 (empty) to 1");
  EXPECT_EQ(FirstError(1, 2, 3, {0, 1, -2}), "layers[0].physical_to_logical[2]: -2: must be from -1 (empty) to 1");
}

TEST(Placement, RefusesALayerThatLosesAnExpert) {
  EXPECT_EQ(FirstError(2, 3, 3, {0, 1, 2, 0, 0, -1}),
            "layers[1].physical_to_logical: : must hold every expert: 2 missing, the first is expert 1");
}

}  // namespace
}  // namespace eplb
