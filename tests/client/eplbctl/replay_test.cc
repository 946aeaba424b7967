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

std::vector<std::string> KeysOf(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

class EplbctlReplayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(RunEplbctl({"generate", "--layers", "2", "--experts", "16", "--windows", "3", "--sub-windows", "4",
                          "--noise", "0.3", "--output", series_})
                  .exit_code,
              0);
  }
  ProgramResult Replay(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"replay", "--series", series_, "--slots", "20", "--gpus", "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunEplbctl(arguments);
  }

  TemporaryDirectory directory_;
  std::string series_ = directory_.Path("series.npy");
};

TEST_F(EplbctlReplayTest, JsonHasTheDocumentedKeys) {
  const ProgramResult result = Replay({"--moves-per-layer", "1", "--no-gate", "--format", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_THAT(KeysOf(json), ElementsAre("step_time", "balancedness", "fetch_percent", "plan_ms_median", "plans",
                                        "windows", "plans_skipped", "fetches", "gate"));
  EXPECT_THAT(KeysOf(json["gate"]),
              ElementsAre("fetches_refused", "gain_gpu_seconds", "cost_gpu_seconds", "saved_gpu_seconds"));
  EXPECT_EQ(json["windows"], 3);
  EXPECT_GE(json["step_time"].get<double>(), 1);
  // One fetch in each of 2 layers after each of 4 sub-windows at most, of 40 slots.
  EXPECT_LE(json["fetch_percent"].get<double>(), 100.0 * 8 / 40 + 1e-9);
}

TEST_F(EplbctlReplayTest, PlansAfterEachWindowOrSubWindow) {
  const int each_sub = Json::parse(Replay({"--every", "sub", "--format", "json"}).out)["plans"];
  const int each_window = Json::parse(Replay({"--every", "window", "--format", "json"}).out)["plans"];
  EXPECT_GT(each_sub, each_window);
  EXPECT_GE(each_window, 1);
}

TEST_F(EplbctlReplayTest, NoMovesMeansNoFetches) {
  EXPECT_EQ(Json::parse(Replay({"--moves-total", "0", "--format", "json"}).out)["fetches"], 0);
  EXPECT_EQ(Json::parse(Replay({"--max-fetch-percent", "0", "--format", "json"}).out)["fetches"], 0);
}

TEST_F(EplbctlReplayTest, ABudgetWithAPolicyThatKnowsNoneIsRefused) {
  for (const std::vector<std::string>& budget :
       {std::vector<std::string>{"--moves-per-layer", "1"}, {"--moves-total", "1"}, {"--max-fetch-percent", "3"}}) {
    std::vector<std::string> arguments = {"--policy", "global"};
    arguments.insert(arguments.end(), budget.begin(), budget.end());
    const ProgramResult result = Replay(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("global knows no budget"));
  }
}

TEST_F(EplbctlReplayTest, AWorkLimitIsRefusedWhereThePolicySearchesNothing) {
  for (const std::string policy : {"global", "hierarchical"}) {
    const ProgramResult result = Replay({"--policy", policy, "--work-limit", "7"});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("--work-limit: 7: needs the optimized policy: " + policy + " searches nothing"));
  }
  EXPECT_EQ(Replay({"--work-limit", "7", "--compare"}).exit_code, 0);
}

TEST_F(EplbctlReplayTest, TrafficSharesAreChosenAndScored) {
  const auto step_time = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--moves-per-layer", "1", "--format", "json"});
    return Json::parse(Replay(more).out)["step_time"].get<double>();
  };
  EXPECT_LT(step_time({"--traffic-shares"}), step_time({}));
  const ProgramResult table = Replay({"--traffic-shares", "--compare"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("auto, every sub-window, traffic shares"));
}

TEST_F(EplbctlReplayTest, ComparesWithWhatUsersHave) {
  const ProgramResult result = Replay({"--compare"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* row : {"auto, every sub-window", "published algorithm, every window", "one plan, then none",
                          "fetched/window", "3 windows x 4 sub-windows x 2 layers x 16 experts"}) {
    EXPECT_THAT(result.out, HasSubstr(row));
  }
}

TEST_F(EplbctlReplayTest, RulesThatThePublishedAlgorithmDoesNotKnowDoNotStopTheComparison) {
  const ProgramResult result =
      RunEplbctl({"replay", "--series", series_, "--slots", "36", "--gpus", "4", "--min-replicas", "2", "--compare"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(EplbctlReplayTest, ASeriesThatIsTooShortIsBadInput) {
  const std::string one = directory_.Path("one.npy");
  ASSERT_EQ(RunEplbctl({"generate", "--layers", "2", "--experts", "16", "--output", one}).exit_code, 0);
  const ProgramResult result = RunEplbctl({"replay", "--series", one, "--slots", "20", "--gpus", "4"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("one.npy: series: 1 sub-windows: must be at least two whole windows"));
}

}  // namespace
}  // namespace eplb::testing
