#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/client/eplbctl/eplbctl.h"

namespace eplb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

class EplbctlCapacityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(RunEplbctl({"generate", "--layers", "2", "--experts", "16", "--output", loads_}).exit_code, 0);
  }
  ProgramResult Plan(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"plan-capacity", "--loads", loads_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunEplbctl(arguments);
  }

  TemporaryDirectory directory_;
  std::string loads_ = directory_.Path("loads.csv");
};

TEST_F(EplbctlCapacityTest, FindsTheFewestSlots) {
  const ProgramResult result = Plan({"--gpus", "4", "--target-balancedness", "0.95", "--format", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json plan = Json::parse(result.out);
  std::vector<std::string> keys;
  for (const auto& [key, value] : plan["answer"].items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("slots", "gpus", "redundant_slots", "balancedness", "worst_balancedness", "step_time",
                                "lower_bound_step_time", "meets_target"));
  EXPECT_GE(plan["answer"]["balancedness"].get<double>(), 0.95);
  const int slots = plan["answer"]["slots"];
  EXPECT_EQ(slots % 4, 0);
  for (const Json& point : plan["curve"]) {
    if (point["slots"] < slots) {
      EXPECT_FALSE(point["meets_target"].get<bool>()) << point;
    }
  }
}

TEST_F(EplbctlCapacityTest, FindsTheFewestGpus) {
  const ProgramResult result = Plan({"--slots-per-gpu", "4", "--target-step-time", "1.5", "--max-gpus", "8"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("meet the target"));
  EXPECT_THAT(result.out, HasSubstr("#"));
}

TEST_F(EplbctlCapacityTest, ATargetOutOfReachIsExitCode1AndShowsTheCurve) {
  const ProgramResult result = Plan({"--gpus", "16", "--target-worst-balancedness", "1", "--max-slots", "16"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("no fleet within the bounds meets the target"));
  EXPECT_THAT(result.err, HasSubstr("eplbctl plan-capacity: no fleet within the bounds meets the target\n"));
}

TEST_F(EplbctlCapacityTest, SaysWhatIsMissingFromTheQuestion) {
  EXPECT_THAT(Plan({"--gpus", "4"}).err, HasSubstr("one of --target-balancedness"));
  EXPECT_THAT(Plan({"--target-step-time", "1.1"}).err, HasSubstr("exactly one of --gpus and --slots-per-gpu"));
  EXPECT_THAT(Plan({"--gpus", "4", "--target-step-time", "1.1", "--max-slots", "8"}).err,
              HasSubstr("--max-slots: 8: must be at least 16"));
}

TEST_F(EplbctlCapacityTest, AWorkLimitIsRefusedWhereThePolicySearchesNothing) {
  for (const std::string policy : {"global", "hierarchical"}) {
    const ProgramResult result =
        Plan({"--gpus", "4", "--target-step-time", "1.5", "--work-limit", "7", "--policy", policy});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("--work-limit: 7: needs the optimized policy: " + policy + " searches nothing"));
  }
  EXPECT_EQ(Plan({"--gpus", "4", "--target-step-time", "1.5", "--work-limit", "7"}).exit_code, 0);
  EXPECT_EQ(Plan({"--gpus", "4", "--target-step-time", "1.5", "--work-limit", "0", "--policy", "global"}).exit_code, 0);
}

}  // namespace
}  // namespace eplb::testing
