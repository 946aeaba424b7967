#include "server/model/load_matrix.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/field_errors.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

std::string FirstError(int num_layers, int num_experts, std::vector<double> values) {
  const std::vector<FieldError> errors =
      FieldErrorsOf(LoadMatrix::Create(num_layers, num_experts, std::move(values)).status());
  return errors.empty() ? "" : errors[0].field + ": " + errors[0].value + ": " + errors[0].rule;
}

TEST(LoadMatrix, GivesRowsBack) {
  const LoadMatrix loads = LoadMatrix::Create(2, 3, {1, 2, 3, 4, 5, 6}).value();
  EXPECT_THAT(loads.layer(1), ElementsAre(4, 5, 6));
}

TEST(LoadMatrix, RefusesWrongShapes) {
  EXPECT_EQ(FirstError(2, 3, {1, 2, 3, 4, 5}), "loads: 5 values: must be layers x experts = 2 x 3");
  EXPECT_EQ(FirstError(0, 3, {}), "loads: 0 layers: must be from 1 to 256");
  EXPECT_EQ(FirstError(1, kMaxExperts + 1, {}), "loads: 4097 experts: must be from 1 to 4096");
}

TEST(LoadMatrix, RefusesBadValuesByLayerAndExpert) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(FirstError(2, 2, {0, 1, 2, -3}), "loads[1].tokens[1]: -3: must be finite and at least 0");
  EXPECT_EQ(FirstError(1, 2, {0, std::numeric_limits<double>::quiet_NaN()}),
            "loads[0].tokens[1]: nan: must be finite and at least 0");
  EXPECT_EQ(FirstError(1, 2, {infinity, 0}), "loads[0].tokens[0]: inf: must be finite and at least 0");
}

TEST(LoadMatrix, WhatIsDerivedFromLoadsMaySumToMore) {
  EXPECT_THAT(LoadMatrix::Derived(1, 2, {kMaxLayerLoad * kMaxLayerLoad, 1}).layer(0),
              ElementsAre(kMaxLayerLoad * kMaxLayerLoad, 1));
}

TEST(LoadMatrix, RefusesSumsThatAreNotExact) {
  EXPECT_EQ(FirstError(1, 2, {kMaxLayerLoad, 0}), "");
  EXPECT_EQ(FirstError(1, 2, {kMaxLayerLoad, 2}), "loads[0].tokens: sum 9.0072e+15: must sum to at most 2^53");
}

}  // namespace
}  // namespace eplb
