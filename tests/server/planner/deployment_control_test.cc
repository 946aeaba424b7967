#include "server/planner/deployment_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/planner/plan_settings.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(DeploymentControlTest, ListsAddAndTakeAway) {
  const DeploymentControl first = *ApplyControlChange({}, {.exclude_gpus = {3}, .drain_gpus = {2, 1}}, 8, kNow);
  EXPECT_THAT(first.excluded_gpus, ElementsAre(3));
  EXPECT_THAT(first.draining_gpus, ElementsAre(1, 2));
  const DeploymentControl second =
      *ApplyControlChange(first, {.exclude_gpus = {1}, .restore_gpus = {3}, .comment = "fan"}, 8, kNow);
  EXPECT_THAT(second.excluded_gpus, ElementsAre(1));
  EXPECT_THAT(second.draining_gpus, ElementsAre(2));
  EXPECT_EQ(second.comment, "fan");
}

TEST(DeploymentControlTest, AChangeIsNewerThanTheFormerEvenWhereTheClockWentBack) {
  const DeploymentControl first = *ApplyControlChange({}, {.mode = DeploymentMode::kPaused}, 8, kNow);
  const DeploymentControl second = *ApplyControlChange(first, {.comment = "x"}, 8, kNow - absl::Hours(1));
  EXPECT_GT(second.update_time, first.update_time);
  EXPECT_EQ(second.mode, DeploymentMode::kPaused);
}

TEST(DeploymentControlTest, RefusesWhatMakesNoSense) {
  const auto message = [](const ControlChange& change) {
    return std::string(ApplyControlChange({}, change, 2, kNow).status().message());
  };
  EXPECT_THAT(message({.exclude_gpus = {2}}), HasSubstr("exclude_gpus"));
  EXPECT_THAT(message({.drain_gpus = {-1}}), HasSubstr("drain_gpus"));
  EXPECT_THAT(message({.exclude_gpus = {0}, .drain_gpus = {0}}), HasSubstr("named once"));
  EXPECT_THAT(message({.exclude_gpus = {0}, .drain_gpus = {1}}), HasSubstr("must leave a GPU"));
  EXPECT_THAT(message({.comment = std::string(1025, 'x')}), HasSubstr("comment"));
  EXPECT_EQ(message({.restore_gpus = std::vector<int>(3'000'000, 1)}),
            "restore_gpus: 3000000 entries: must be at most 2");
}

TEST(DeploymentControlTest, AHandedBackControlIsCheckedToo) {
  EXPECT_TRUE(ValidateControl({.excluded_gpus = {1}}, 2).ok());
  EXPECT_FALSE(ValidateControl({.excluded_gpus = {1, 1}}, 2).ok());
  EXPECT_FALSE(ValidateControl({.excluded_gpus = {0}, .draining_gpus = {1}}, 2).ok());
}

TEST(PlanSettingsTest, OverridesAreLaidOverAndDifferencesNamed) {
  PlanOverrides overrides;
  overrides.work_limit = 12;
  overrides.gate_disabled = true;
  const PlanSettings settings = Overlay({}, overrides);
  EXPECT_EQ(settings.work_limit, 12);
  EXPECT_TRUE(settings.gate_disabled);
  EXPECT_EQ(settings.budget.per_layer, 3);
  EXPECT_THAT(DescribeDifference(overrides, {}), HasSubstr("options.work_limit"));
  EXPECT_THAT(DescribeDifference(overrides, overrides), IsEmpty());
}

}  // namespace
}  // namespace eplb
