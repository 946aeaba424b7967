#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/client/eplbctl/eplbctl.h"

namespace eplb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

constexpr char kLoads[] =
    "window,layer,e0,e1,e2,e3\n"
    "0,3,90,10,10,10\n"
    "0,4,10,10,10,90\n"
    "1,3,10,10,10,90\n"
    "1,4,90,10,10,10\n";

std::vector<std::string> KeysOf(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

class EplbctlRebalanceTest : public ::testing::Test {
 protected:
  // Arguments for kLoads on 2 GPUs of 3 slots.
  std::vector<std::string> Arguments(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"rebalance", "--local", "--loads", loads_, "--slots", "6", "--gpus", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Json Plan(std::vector<std::string> more) const {
    more.insert(more.end(), {"--format", "json"});
    const ProgramResult result = RunEplbctl(Arguments(more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out);
  }
  // Runs with these arguments and expects one line of error that holds `error`.
  void ExpectRefused(const std::vector<std::string>& arguments, int exit_code, const std::string& error) const {
    const ProgramResult result = RunEplbctl(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr(error));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }

  TemporaryDirectory directory_;
  std::string loads_ = directory_.Write("loads.csv", kLoads);
};

TEST_F(EplbctlRebalanceTest, JsonHasExactlyTheDocumentedKeys) {
  const Json plan = Plan({"--policy", "global"});
  EXPECT_THAT(KeysOf(plan), ElementsAre("policy", "physical_to_logical", "expert_count", "balancedness", "step_time",
                                        "lower_bound_step_time", "twins", "fetches", "compute_ms"));
  EXPECT_THAT(KeysOf(plan["balancedness"]), ElementsAre("before", "after", "worst_after"));
  EXPECT_THAT(KeysOf(plan["step_time"]), ElementsAre("before", "after"));
  EXPECT_EQ(plan["policy"], "global");
  ASSERT_EQ(plan["physical_to_logical"].size(), 2U);
  EXPECT_EQ(plan["physical_to_logical"][0].size(), 6U);
  EXPECT_EQ(plan["expert_count"][1].size(), 4U);
  EXPECT_GE(plan["compute_ms"].get<double>(), 0);
}

TEST_F(EplbctlRebalanceTest, TransfersLeadFromTheCurrentPlacementToThePlan) {
  const std::string current = directory_.Path("current.json");
  const std::string json = directory_.Path("transfers.json");
  const std::string csv = directory_.Path("transfers.csv");
  ASSERT_EQ(RunEplbctl(Arguments({"--window", "0", "--output", current})).exit_code, 0);
  const Json before = Json::parse(ReadFile(current))["physical_to_logical"];
  const ProgramResult table = RunEplbctl(Arguments({"--window", "1", "--current", current, "--transfers", csv}));
  ASSERT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("in steps"));
  const Json plan = Plan({"--window", "1", "--current", current, "--transfers", json});

  Json applied = before;
  int step = 0;
  Json held = before;  // what a step reads
  const Json file = Json::parse(ReadFile(json));
  ASSERT_FALSE(file["transfers"].empty());
  for (const Json& transfer : file["transfers"]) {
    EXPECT_THAT(KeysOf(transfer), ElementsAre("model_layer", "expert", "source_slot", "target_slot", "step"));
    if (transfer["step"] != step) {
      step = transfer["step"];
      held = applied;
    }
    const std::size_t row = transfer["model_layer"].get<std::size_t>() - 3;
    EXPECT_EQ(held[row][transfer["source_slot"].get<std::size_t>()], transfer["expert"]);
    applied[row][transfer["target_slot"].get<std::size_t>()] = transfer["expert"];
  }
  EXPECT_EQ(applied, plan["physical_to_logical"]);
  const std::string rows = ReadFile(csv);
  EXPECT_THAT(rows, HasSubstr("model_layer,expert,source_slot,target_slot,step\n3,"));
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), static_cast<std::ptrdiff_t>(file["transfers"].size()) + 1);

  ExpectRefused(Arguments({"--transfers", json}), 2, "--current");
}

TEST_F(EplbctlRebalanceTest, ADrainingGpuIsEmptiedAndCopiedFrom) {
  const std::string current = directory_.Path("current.json");
  const std::string transfers = directory_.Path("transfers.json");
  const auto fleet = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"rebalance", "--local", "--loads", loads_, "--slots", "6", "--gpus", "3"});
    return more;
  };
  ASSERT_EQ(RunEplbctl(fleet({"--output", current})).exit_code, 0);
  // Empties each GPU in turn; how many copies come from the one that is emptied.
  const auto copies = [&](const char* flag) {
    int from_it = 0;
    for (std::size_t gpu = 0; gpu < 3; ++gpu) {
      const ProgramResult result = RunEplbctl(
          fleet({"--current", current, flag, std::to_string(gpu), "--transfers", transfers, "--format", "json"}));
      EXPECT_EQ(result.exit_code, 0) << result.err;
      const Json plan = Json::parse(result.out);
      for (const Json& row : plan["physical_to_logical"]) {
        EXPECT_EQ(row[2 * gpu], -1);
        EXPECT_EQ(row[2 * gpu + 1], -1);
      }
      const Json file = Json::parse(ReadFile(transfers));
      for (const Json& transfer : file["transfers"]) {
        if (transfer["source_slot"] >= 0) from_it += transfer["source_slot"].get<std::size_t>() / 2 == gpu ? 1 : 0;
      }
    }
    return from_it;
  };
  EXPECT_EQ(copies("--exclude-gpus"), 0);
  EXPECT_GT(copies("--drain-gpus"), 0);
  ExpectRefused(fleet({"--exclude-gpus", "2", "--drain-gpus", "2"}), 2, "GPU 2 is both in --exclude-gpus");
}

TEST_F(EplbctlRebalanceTest, BalancesOneWindow) {
  const Json plan = Plan({"--window", "0", "--policy", "global"});
  EXPECT_GT(plan["balancedness"]["after"].get<double>(), plan["balancedness"]["before"].get<double>() - 1e-9);
  EXPECT_GT(plan["expert_count"][0][0], 1) << "the hot expert is replicated";
  EXPECT_GT(plan["expert_count"][1][3], 1);
  for (const Json& counts : plan["expert_count"]) {
    int sum = 0;
    for (int count : counts) sum += count;
    EXPECT_EQ(sum, 6);
  }
}

TEST_F(EplbctlRebalanceTest, PlansForEachWindowAsAPatternOfItsOwn) {
  const ProgramResult result = RunEplbctl(Arguments({"--each-window"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("each of 2 windows"));
  ExpectRefused(Arguments({"--each-window", "--window", "0"}), 2, "excludes");
}

TEST_F(EplbctlRebalanceTest, AWindowsWeightSaysWhatItCountsFor) {
  const Json only_first = Plan({"--window", "0"});
  EXPECT_EQ(Plan({"--each-window", "--window-weights", "1,0"})["balancedness"], only_first["balancedness"]);
  EXPECT_EQ(Plan({"--each-window", "--window-weights", "2,2"})["physical_to_logical"],
            Plan({"--each-window"})["physical_to_logical"]);
  ExpectRefused(Arguments({"--each-window", "--window-weights", "1,2,3"}), 2,
                "--window-weights: 3 weights: must be 2, one for each window of");
  ExpectRefused(Arguments({"--each-window", "--window-weights", "1,-2"}), 2, "-2 not in range 0 to");
  ExpectRefused(Arguments({"--each-window", "--window-weights", "0,0"}), 2, "weight");
  ExpectRefused(Arguments({"--window-weights", "1,2"}), 2, "--window-weights requires --each-window");
}

TEST_F(EplbctlRebalanceTest, SlotsBeyondALayersBudgetStayEmpty) {
  const auto used = [](const Json& row) { return std::count_if(row.begin(), row.end(), [](int e) { return e >= 0; }); };
  const Json each = Plan({"--slot-budgets", "5,4"})["physical_to_logical"];
  EXPECT_EQ(used(each[0]), 5);
  EXPECT_EQ(used(each[1]), 4);
  const Json all = Plan({"--slot-budgets", "5"})["physical_to_logical"];
  EXPECT_EQ(used(all[0]), 5);
  EXPECT_EQ(used(all[1]), 5);
  ExpectRefused(Arguments({"--slot-budgets", "5,5,5"}), 2, "slot_budget_per_layer: 3 entries: must be the number of");
  ExpectRefused(Arguments({"--slot-budgets", "3"}), 2, "slot_budget_per_layer[0]: 3: must be from 4 to 6");
  ExpectRefused(Arguments({"--slot-budgets", "5", "--policy", "global"}), 2, "needs the optimized policy");
}

TEST_F(EplbctlRebalanceTest, TheInverseMapListsTheSlotsOfEachExpert) {
  const Json plan = Plan({"--traffic-shares", "--routing-entries", "16"});
  EXPECT_THAT(KeysOf(plan),
              ElementsAre("policy", "physical_to_logical", "expert_count", "slot_shares", "logical_to_physical",
                          "balancedness", "step_time", "lower_bound_step_time", "twins", "fetches", "compute_ms"));
  for (std::size_t layer = 0; layer < 2; ++layer) {
    ASSERT_EQ(plan["logical_to_physical"][layer].size(), 4U);
    for (std::size_t expert = 0; expert < 4; ++expert) {
      const Json& slots = plan["logical_to_physical"][layer][expert];
      EXPECT_GE(slots.size(), 1U);
      EXPECT_LE(slots.size(), 16U);
      for (const Json& slot : slots) EXPECT_EQ(plan["physical_to_logical"][layer][slot.get<std::size_t>()], expert);
    }
  }
  const Json one = Plan({"--routing-entries", "1"});
  for (const Json& slots : one["logical_to_physical"][0]) EXPECT_EQ(slots.size(), 1U);
  ExpectRefused(Arguments({"--routing-entries", "0"}), 2, "--routing-entries: Value 0 not in range");
}

TEST_F(EplbctlRebalanceTest, AGateMakesOnlyMovesThatAreWorthTheirTransfers) {
  const std::string current = directory_.Path("current.json");
  ASSERT_EQ(RunEplbctl(Arguments({"--window", "0", "--output", current})).exit_code, 0);
  const auto gated = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--window", "1", "--current", current, "--gate"});
    return more;
  };
  // Bandwidth that makes a fetch all but free, and one that makes it dearer than any gain.
  const Json cheap = Plan(gated({"--intra-node-bandwidth", "1e15", "--horizon", "1e6"}));
  EXPECT_GT(cheap["fetches"], 0);
  EXPECT_GT(cheap["gate"]["gain_gpu_seconds"].get<double>(), cheap["gate"]["cost_gpu_seconds"].get<double>());
  const Json dear = Plan(gated({"--intra-node-bandwidth", "1"}));
  EXPECT_EQ(dear["fetches"], 0);
  EXPECT_EQ(dear["gate"]["cost_gpu_seconds"], 0);
  EXPECT_EQ(Plan(gated({"--min-balancedness", "0.01"}))["fetches"], 0) << "every layer is that balanced";
  EXPECT_THAT(RunEplbctl(Arguments(gated({}))).out, HasSubstr("predicted gain, GPU-seconds"));
  ExpectRefused(Arguments({"--gate"}), 2, "--gate requires --current");
  ExpectRefused(Arguments({"--current", current, "--horizon", "5"}), 2, "--horizon requires --gate");
  ExpectRefused(Arguments(gated({"--policy", "global"})), 2, "options.gate: needs the optimized policy");
}

TEST_F(EplbctlRebalanceTest, ThePlanDependsOnNeitherThreadsNorFormatOfTheLoads) {
  const Json one = Plan({"--threads", "1"});
  EXPECT_EQ(one["physical_to_logical"], Plan({"--threads", "4"})["physical_to_logical"]);
  const ProgramResult piped =
      RunEplbctl({"rebalance", "--local", "--loads", "-", "--slots", "6", "--gpus", "2", "--format", "json"}, kLoads);
  EXPECT_EQ(Json::parse(piped.out)["physical_to_logical"], one["physical_to_logical"]);
}

TEST_F(EplbctlRebalanceTest, TableIsPlainTextInAPipe) {
  for (const char* variable : {"TERM=xterm", "NO_COLOR=1"}) {
    const ProgramResult result = RunEplbctl(Arguments({}), "", {variable});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
    for (const char* row : {"2 layers x 4 experts, sum of 2 windows", "balancedness, mean of layers",
                            "balancedness, worst layer", "step time", "proven lower bound", "gap to it", "twins",
                            "fetches", "contiguous", "6 slots on 2 GPUs in 1 node", "planned in"}) {
      EXPECT_THAT(result.out, HasSubstr(row));
    }
  }
}

TEST_F(EplbctlRebalanceTest, StartsFromTheCurrentPlacementInAnyEnginesFormat) {
  const std::string text = directory_.Write("rows.json", "[[0,1,2,0,3,1],[3,1,2,3,0,1]]");
  const std::string sglang = directory_.Write(
      "sglang.json",
      R"({"physical_to_logical_map": [[0,1,2,3,0,1],[0,1,2,3,0,1],[0,1,2,3,0,1],[0,1,2,0,3,1],[3,1,2,3,0,1]]})");
  const Json from_rows = Plan({"--current", text, "--policy", "global"});
  const Json from_sglang = Plan({"--current", sglang, "--policy", "global"});
  EXPECT_EQ(from_rows["balancedness"], from_sglang["balancedness"]);
  EXPECT_EQ(from_rows["fetches"], from_sglang["fetches"]);
  EXPECT_THAT(RunEplbctl(Arguments({"--current", text, "--policy", "global"})).out, HasSubstr("current"));
}

TEST_F(EplbctlRebalanceTest, ReadsItsOwnResultAsTheCurrentPlacement) {
  const std::string plan = directory_.Path("plan.json");
  ASSERT_EQ(RunEplbctl(Arguments({"--policy", "global", "--output", plan})).exit_code, 0);
  const Json again = Plan({"--current", plan, "--policy", "global"});
  EXPECT_EQ(again["fetches"], 0);
  EXPECT_EQ(again["balancedness"]["before"], again["balancedness"]["after"]);
}

TEST_F(EplbctlRebalanceTest, OutputIsJsonBesideTheTableUnlessAFormatIsAskedFor) {
  const std::string path = directory_.Path("plan");
  const ProgramResult both = RunEplbctl(Arguments({"--output", path}));
  EXPECT_THAT(both.out, HasSubstr("balancedness"));
  EXPECT_TRUE(Json::accept(ReadFile(path)));
  const ProgramResult json = RunEplbctl(Arguments({"--output", path, "--format", "json"}));
  EXPECT_EQ(json.out, "");
  EXPECT_TRUE(Json::accept(ReadFile(path)));
  const ProgramResult table = RunEplbctl(Arguments({"--output", path, "--format", "table"}));
  EXPECT_EQ(table.out, "");
  EXPECT_THAT(ReadFile(path), HasSubstr("balancedness, mean"));
}

TEST_F(EplbctlRebalanceTest, OnAnErrorTheOutputFileStaysAsItWas) {
  const std::string path = directory_.Write("plan.json", "former");
  EXPECT_EQ(RunEplbctl(Arguments({"--output", path, "--slots", "3"})).exit_code, 2);
  EXPECT_EQ(ReadFile(path), "former");
  const ProgramResult unwritable = RunEplbctl(Arguments({"--output", directory_.Path("no/such/plan.json")}));
  EXPECT_EQ(unwritable.exit_code, 2);
  EXPECT_THAT(unwritable.err, HasSubstr("no/such/plan.json: cannot create"));
}

TEST_F(EplbctlRebalanceTest, BadInputIsExitCode2AndNamesWhatIsWrong) {
  const auto with_loads = [&](const std::string& text) {
    return std::vector<std::string>{"rebalance", "--local", "--loads", directory_.Write("bad.csv", text),
                                    "--slots",   "6",       "--gpus",  "2"};
  };
  ExpectRefused(with_loads("window,layer,e0\n0,1,-5\n"), 2, "bad.csv: line 2, column 3 (e0): -5: must be at least 0");
  ExpectRefused(with_loads("window,layer,e0\n0,1,nan\n"), 2, "bad.csv: line 2, column 3 (e0): nan: must be finite");
  ExpectRefused(with_loads("window,layer,e0,e1\n0,1,5\n"), 2, "line 2: has only 3 columns");
  ExpectRefused(with_loads("window,layer,e0\n0,1,5\n0,1,5\n"), 2, "line 3: window 0 layer 1 was given in line 2");
  ExpectRefused(with_loads("\x93NUMPY"), 2, "the file ends within the magic");
  ExpectRefused(Arguments({"--loads", "/no/such/file"}), 2, "--loads");
  ExpectRefused(Arguments({"--window", "7"}), 2,
                "--window: window 7 is not there: the file holds 2 windows, from 0 to 1");
  ExpectRefused(Arguments({"--current", "/no/such/file"}), 2, "/no/such/file: cannot open");
  ExpectRefused(Arguments({"--current", directory_.Write("c.json", "[[0,1,2,3,0]]")}), 2, "must be 2");
  ExpectRefused(Arguments({"--current", directory_.Write("c.json", "[0,1,2,3]")}), 2,
                "4 slots in each layer: must be 6");
  ExpectRefused(Arguments({"--current", directory_.Write("c.json", "[[0,")}), 2, "c.json: line 1, column 5");
  ExpectRefused(Arguments({"--topology", directory_.Write("t.json", R"({"gpus": 2})")}), 2,
                "t.json: gpus: unknown key");
  ExpectRefused(Arguments({"--exclude-gpus", "5"}), 2, "excluded_gpus");
  ExpectRefused(Arguments({"--nodes", "3"}), 2, "num_nodes");
  ExpectRefused(Arguments({"--first-layer", "3"}), 2, "names its layers itself");
  ExpectRefused(Arguments({"--policy", "hierarchical", "--groups", "3", "--nodes", "2"}), 2, "groups");
  ExpectRefused({"rebalance", "--local", "--loads", loads_, "--slots", "3", "--gpus", "1"}, 2, "num_slots: 3");
}

// The measured DeepSeek-V3 loads that this project was designed with; not part of the project.
TEST(EplbctlMeasuredLoadsTest, BalancesDeepSeekV3) {
  const char* variable = std::getenv("EPLB_SHARED_DIR");
  const std::string shared = variable == nullptr ? EPLB_SOURCE_DIR "/../shared" : variable;
  const std::string loads = shared + "/traces/deepseek_v3_prefill_in1024.csv";
  struct stat status = {};
  if (::stat(loads.c_str(), &status) != 0) {
    GTEST_SKIP() << loads << " is not there (set EPLB_SHARED_DIR to the folder that holds traces/)";
  }
  const auto plan = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"rebalance", "--local", "--loads", loads,      "--slots",
                                          "288",       "--gpus",  "32",      "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Json::parse(RunEplbctl(arguments).out);
  };
  const Json global = plan({"--policy", "global"});
  EXPECT_NEAR(global["balancedness"]["before"].get<double>(), 0.4746, 5e-5);
  EXPECT_NEAR(global["balancedness"]["after"].get<double>(), 0.9930, 5e-5);
  const Json hierarchical = plan({"--policy", "hierarchical", "--groups", "8", "--nodes", "4"});
  EXPECT_EQ(hierarchical["policy"], "hierarchical");
  EXPECT_GT(hierarchical["balancedness"]["after"].get<double>(), 0.86);
}

}  // namespace
}  // namespace eplb::testing
