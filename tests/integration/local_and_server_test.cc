#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"

namespace eplb::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

// One server for all tests of this program, on any free port.
class LocalAndServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<BackgroundProgram>(std::vector<std::string>{
        EPLB_SERVER, "--grpc.listen_address=127.0.0.1:0", "--health.listen_address=127.0.0.1:0",
        "--metrics.listen_address=", "--drain.delay=0s"});
    const std::string line = server_->WaitForLine("event=server_ready");
    const auto start = line.find(" grpc=") + 6;
    address_ = line.substr(start, line.find(' ', start) - start);
    ASSERT_THAT(address_, HasSubstr("127.0.0.1:")) << line;
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(server_->Stop(), 0) << "SIGTERM drains";
    server_.reset();
  }

  static ProgramResult Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {EPLB_EPLBCTL, "rebalance"});
    return RunProgram(arguments);
  }
  static Json Plan(std::vector<std::string> arguments, const std::vector<std::string>& where) {
    arguments.insert(arguments.end(), where.begin(), where.end());
    arguments.insert(arguments.end(), {"--format", "json"});
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.exit_code == 0 ? Json::parse(result.out) : Json();
  }
  // Plans both ways; everything but the time must be the same, to the last byte.
  static void ExpectTheSame(const std::vector<std::string>& arguments) {
    Json local = Plan(arguments, {"--local"});
    Json remote = Plan(arguments, {"--server", address_});
    ASSERT_TRUE(local.erase("compute_ms") == 1 && remote.erase("compute_ms") == 1);
    EXPECT_EQ(local.dump(), remote.dump()) << ::testing::PrintToString(arguments);
  }
  // The same of the copies that lead there from --current.
  void ExpectTheSameTransfers(std::vector<std::string> arguments) const {
    ExpectTheSame(arguments);
    arguments.insert(arguments.end(), {"--transfers", directory_.Path("transfers.csv")});
    std::vector<std::string> files;
    for (const std::vector<std::string>& where : {std::vector<std::string>{"--local"}, {"--server", address_}}) {
      std::vector<std::string> with_place = arguments;
      with_place.insert(with_place.end(), where.begin(), where.end());
      const ProgramResult result = Run(with_place);
      ASSERT_EQ(result.exit_code, 0) << result.err;
      files.push_back(ReadFile(directory_.Path("transfers.csv")));
    }
    EXPECT_EQ(files[0], files[1]) << ::testing::PrintToString(arguments);
    EXPECT_GT(files[0].size(), 60U) << "more than the header";
  }
  // Both refuse it, in the same words.
  static void ExpectTheSameRefusal(const std::vector<std::string>& arguments, const std::string& words) {
    std::vector<std::string> errors;
    for (const std::vector<std::string>& where : {std::vector<std::string>{"--local"}, {"--server", address_}}) {
      std::vector<std::string> with_place = arguments;
      with_place.insert(with_place.end(), where.begin(), where.end());
      const ProgramResult result = Run(with_place);
      EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(with_place);
      EXPECT_THAT(result.err, HasSubstr(words));
      errors.push_back(result.err);
    }
    EXPECT_EQ(errors[0], errors[1]);
  }
  std::string Generate(const std::vector<std::string>& flags) const {
    const std::string path = directory_.Path("loads.csv");
    std::vector<std::string> arguments = {EPLB_EPLBCTL, "generate", "--output", path};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    EXPECT_EQ(RunProgram(arguments).exit_code, 0);
    return path;
  }

  static std::unique_ptr<BackgroundProgram> server_;
  static std::string address_;
  TemporaryDirectory directory_;
};

std::unique_ptr<BackgroundProgram> LocalAndServerTest::server_;
std::string LocalAndServerTest::address_;

TEST_F(LocalAndServerTest, TrafficSharesAreChosenAlike) {
  const std::string loads = Generate({"--layers", "4", "--experts", "24", "--seed", "5"});
  const std::vector<std::string> fleet = {"--loads", loads, "--slots", "32", "--gpus", "16"};
  std::vector<std::string> with_shares = fleet;
  with_shares.push_back("--traffic-shares");
  ExpectTheSame(with_shares);
  const Json even = Plan(fleet, {"--server", address_});
  const Json plan = Plan(with_shares, {"--server", address_});
  EXPECT_FALSE(even.contains("slot_shares"));
  ASSERT_EQ(plan["slot_shares"].size(), 4);
  EXPECT_EQ(plan["slot_shares"][0].size(), 32);
  EXPECT_GT(plan["balancedness"]["after"].get<double>(), even["balancedness"]["after"].get<double>());
}

TEST_F(LocalAndServerTest, EveryPolicyPlacesAlike) {
  for (const char* seed : {"1", "2"}) {
    const std::string loads = Generate({"--layers", "5", "--experts", "32", "--seed", seed, "--first-layer", "3"});
    for (const char* policy : {"auto", "global", "hierarchical", "optimized"}) {
      ExpectTheSame(
          {"--loads", loads, "--slots", "40", "--gpus", "8", "--nodes", "2", "--groups", "4", "--policy", policy});
    }
  }
}

TEST_F(LocalAndServerTest, FromACurrentPlacementTooAndWithABudget) {
  const std::string loads = Generate({"--layers", "4", "--experts", "16"});
  const std::string current = directory_.Path("current.json");
  ASSERT_EQ(Run({"--loads", loads, "--slots", "24", "--gpus", "4", "--local", "--output", current}).exit_code, 0);
  const std::string later = Generate({"--layers", "4", "--experts", "16", "--seed", "9"});
  ExpectTheSame({"--loads", later, "--slots", "24", "--gpus", "4", "--current", current});
}

TEST_F(LocalAndServerTest, DrainingAndDeadGpusAreEmptiedAlikeByTheSameTransfers) {
  const std::string loads = Generate({"--layers", "4", "--experts", "16", "--first-layer", "3"});
  const std::string current = directory_.Path("current.json");
  ASSERT_EQ(Run({"--loads", loads, "--slots", "32", "--gpus", "4", "--local", "--output", current}).exit_code, 0);
  for (const std::vector<std::string>& out : {std::vector<std::string>{"--drain-gpus", "1"},
                                              {"--exclude-gpus", "1"},
                                              {"--drain-gpus", "0", "--exclude-gpus", "3"}}) {
    std::vector<std::string> arguments = {"--loads", loads, "--slots", "32", "--gpus", "4", "--current", current};
    arguments.insert(arguments.end(), out.begin(), out.end());
    ExpectTheSameTransfers(arguments);
    EXPECT_THAT(ReadFile(directory_.Path("transfers.csv")), HasSubstr("step\n3,"));
  }
}

TEST_F(LocalAndServerTest, LoadsThatAreNoWholeTokensTravelAlike) {
  const std::string loads =
      directory_.Write("shares.csv", "window,layer,e0,e1,e2,e3\n0,7,0.1,0.2,0.30000000001,1e-9\n");
  ExpectTheSame({"--loads", loads, "--slots", "6", "--gpus", "2"});
}

TEST_F(LocalAndServerTest, UnevenFleetsTravelAlike) {
  const std::string loads = Generate({"--layers", "3", "--experts", "12"});
  const std::string topology = directory_.Write(
      "fleet.json",
      R"({"slots_per_gpu": [6, 5, 4, 4], "gpu_speed": [1, 1, 0.5, 2], "num_nodes": 2, "excluded_gpus": [1]})");
  ExpectTheSame({"--loads", loads, "--topology", topology, "--policy", "optimized"});
}

TEST_F(LocalAndServerTest, SlotsThatGpusDoNotShareEvenlyArePlannedAlike) {
  const std::string loads = Generate({"--layers", "2", "--experts", "8"});
  ExpectTheSame({"--loads", loads, "--slots", "10", "--gpus", "4"});
  const std::string topology = directory_.Write("fleet.json", R"({"num_gpus": 4, "num_slots": 11})");
  ExpectTheSame({"--loads", loads, "--topology", topology, "--exclude-gpus", "2"});
}

TEST_F(LocalAndServerTest, EverythingThatMakesNoSenseIsRefusedAlike) {
  const std::string loads = Generate({"--layers", "2", "--experts", "8"});
  const std::string current = directory_.Path("current.json");
  ASSERT_EQ(Run({"--loads", loads, "--slots", "12", "--gpus", "4", "--local", "--output", current}).exit_code, 0);
  const auto refused = [&](std::vector<std::string> more, const std::string& words) {
    more.insert(more.begin(), {"--loads", loads, "--gpus", "4"});
    ExpectTheSameRefusal(more, words);
  };
  refused({"--slots", "10", "--policy", "global"}, "topology: uneven slots");
  refused({"--slots", "10", "--policy", "hierarchical"}, "topology: uneven slots");
  refused({"--slots", "12", "--policy", "global", "--honour-groups"}, "options.honour_groups: true");
  refused({"--slots", "12", "--policy", "global", "--work-limit", "5"}, "options.work_limit: 5");
  refused({"--slots", "12", "--current", current, "--moves-per-layer", "1", "--work-limit", "9"},
          "options.work_limit: 9: must be 0 with a budget");
  refused({"--slots", "12", "--work-limit", "200000000"}, "options.work_limit: 200000000: must be from 0 to 10000000");
  refused({"--slots", "12", "--moves-total", "1"}, "options.budget: needs the current placement");
  refused({"--slots", "12", "--min-replicas", "5"}, "constraints.min_replicas: 5: must be from 0 to 4");
  refused({"--slots", "4"}, "num_slots: 4: must be at least the number of experts, 8");
}

TEST_F(LocalAndServerTest, BudgetsInBytesCountAnExpertAlike) {
  const std::string loads = Generate({"--layers", "4", "--experts", "16"});
  const std::string current = directory_.Path("current.json");
  ASSERT_EQ(Run({"--loads", loads, "--slots", "24", "--gpus", "4", "--local", "--output", current}).exit_code, 0);
  const std::string later = Generate({"--layers", "4", "--experts", "16", "--seed", "9"});
  const std::vector<std::string> base = {"--loads", later, "--slots", "24", "--gpus", "4", "--current", current};
  for (const std::vector<std::string>& budget : {std::vector<std::string>{"--move-bytes", "220200960"},
                                                 {"--move-bytes", "5000", "--bytes-per-expert", "1000"},
                                                 {"--moves-per-layer", "1"},
                                                 {"--moves-total", "3"}}) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), budget.begin(), budget.end());
    ExpectTheSameTransfers(arguments);
  }
  // Room for five experts of the size that counts where none is given.
  std::vector<std::string> five = base;
  five.insert(five.end(), {"--move-bytes", "220200960"});
  EXPECT_LE(Plan(five, {"--local"})["fetches"].get<int>(), 5);
}

TEST_F(LocalAndServerTest, EverythingThatARequestCanSayTravelsAlike) {
  const std::string first = Generate({"--layers", "4", "--experts", "16", "--windows", "3", "--noise", "0.8"});
  const std::string current = directory_.Path("current.json");
  ASSERT_EQ(Run({"--loads", first, "--slots", "24", "--gpus", "4", "--local", "--output", current}).exit_code, 0);
  const std::string loads =
      Generate({"--layers", "4", "--experts", "16", "--windows", "3", "--noise", "0.8", "--seed", "9"});
  const auto alike = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--loads", loads, "--slots", "24", "--gpus", "4"});
    ExpectTheSame(more);
  };
  alike({"--each-window", "--window-weights", "3,0.25,1"});
  alike({"--slot-budgets", "20,24,17,16"});
  alike({"--slot-budgets", "20"});
  alike({"--routing-entries", "8"});
  alike({"--routing-entries", "32", "--traffic-shares", "--each-window", "--window-weights", "3,0.25,1"});
  alike({"--routing-entries", "32", "--policy", "global"});
  const auto alike_from_current = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--loads", loads, "--slots", "24", "--gpus", "4", "--current", current});
    ExpectTheSameTransfers(more);
  };
  alike_from_current({"--max-transfers-per-gpu", "3"});
  alike_from_current({"--move-local-slots", "--policy", "global"});
  alike_from_current({"--move-local-slots", "--slot-budgets", "22"});
  alike_from_current({"--gate", "--horizon", "3600", "--hysteresis", "0.5", "--min-balancedness", "0.99"});
  alike_from_current({"--gate", "--horizon", "3600.25", "--intra-node-bandwidth", "3e11", "--inter-node-bandwidth",
                      "1e11", "--expert-time-ratio", "0.9", "--moves-per-layer", "2"});
}

TEST_F(LocalAndServerTest, MoreTransfersPerGpuTakeFewerStepsWhereNoSlotIsFree) {
  const std::string loads = Generate({"--layers", "4", "--experts", "64"});
  const std::string current = directory_.Path("current.json");
  ASSERT_EQ(Run({"--loads", loads, "--slots", "64", "--gpus", "4", "--local", "--output", current}).exit_code, 0);
  const std::string later = Generate({"--layers", "4", "--experts", "64", "--seed", "9"});
  const auto steps = [&](const std::string& most) {
    const std::string path = directory_.Path("transfers.json");
    const ProgramResult result = Run({"--loads", later, "--slots", "64", "--gpus", "4", "--current", current, "--local",
                                      "--max-transfers-per-gpu", most, "--transfers", path});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(ReadFile(path))["transfers"].back()["step"].get<int>() + 1;
  };
  EXPECT_GT(steps("1"), steps("8"));
}

TEST_F(LocalAndServerTest, TheWayFromACurrentPlacementIsTheSameForEveryPolicy) {
  const std::string loads = Generate({"--layers", "4", "--experts", "256"});
  const std::string current = directory_.Path("current.json");
  const std::vector<std::string> fleet = {"--slots", "288", "--gpus", "32", "--nodes", "4", "--groups", "8"};
  std::vector<std::string> first = {"--loads", loads, "--local", "--output", current};
  first.insert(first.end(), fleet.begin(), fleet.end());
  ASSERT_EQ(Run(first).exit_code, 0);
  const std::string later = Generate({"--layers", "4", "--experts", "256", "--seed", "2"});
  for (const std::vector<std::string>& how : {std::vector<std::string>{"--policy", "global"},
                                              {"--policy", "hierarchical"},
                                              {"--policy", "optimized"},
                                              {"--drain-gpus", "5"},
                                              {"--drain-gpus", "5", "--exclude-gpus", "6", "--moves-per-layer", "3"}}) {
    std::vector<std::string> arguments = {"--loads", later, "--current", current};
    arguments.insert(arguments.end(), fleet.begin(), fleet.end());
    arguments.insert(arguments.end(), how.begin(), how.end());
    ExpectTheSameTransfers(arguments);
  }
}

TEST_F(LocalAndServerTest, MeasuredLoadsPlaceAlike) {
  const char* variable = std::getenv("EPLB_SHARED_DIR");
  const std::string shared = variable == nullptr ? EPLB_SOURCE_DIR "/../shared" : variable;
  const std::string loads = shared + "/traces/deepseek_v3_prefill_in1024.csv";
  if (!std::filesystem::exists(loads)) {
    GTEST_SKIP() << loads << " is not there (set EPLB_SHARED_DIR to the folder that holds traces/)";
  }
  ExpectTheSame({"--loads", loads, "--slots", "288", "--gpus", "32"});
  ExpectTheSame({"--loads", loads, "--slots", "288", "--gpus", "32", "--policy", "global"});
  ExpectTheSame({"--loads", loads, "--slots", "288", "--gpus", "32", "--policy", "hierarchical", "--groups", "8",
                 "--nodes", "4"});
}

TEST_F(LocalAndServerTest, TheServersErrorsAreOneLineWithTheExitCodeOfTheirKind) {
  const std::string loads = Generate({"--layers", "1", "--experts", "8"});
  const ProgramResult bad =
      Run({"--loads", loads, "--slots", "10", "--gpus", "4", "--policy", "global", "--server", address_});
  EXPECT_EQ(bad.exit_code, 2) << bad.err;
  EXPECT_EQ(bad.out, "");
  EXPECT_THAT(bad.err, HasSubstr("slots"));
  EXPECT_EQ(bad.err.find('\n'), bad.err.size() - 1) << bad.err;
}

TEST_F(LocalAndServerTest, AServerThatIsNotThereIsExitCode3) {
  const std::string loads = Generate({"--layers", "1", "--experts", "8"});
  // Port 1 is privileged and nobody's.
  const ProgramResult result =
      Run({"--loads", loads, "--slots", "8", "--gpus", "4", "--server", "127.0.0.1:1", "--attempts", "1"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("eplbctl rebalance: 127.0.0.1:1: "));
}

TEST_F(LocalAndServerTest, TheTableIsTheSameButForTheTime) {
  const std::string loads = Generate({"--layers", "2", "--experts", "8"});
  const ProgramResult result = Run({"--loads", loads, "--slots", "12", "--gpus", "4", "--server", address_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("balancedness, mean of layers"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
}

TEST_F(LocalAndServerTest, ExactlyOnePlaceToPlanIsAskedFor) {
  const std::string loads = Generate({"--layers", "1", "--experts", "8"});
  for (const std::vector<std::string>& where : {std::vector<std::string>{}, {"--local", "--server", address_}}) {
    std::vector<std::string> arguments = {"--loads", loads, "--slots", "8", "--gpus", "4"};
    arguments.insert(arguments.end(), where.begin(), where.end());
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("exactly one of --local and --server HOST:PORT is required"));
  }
}

}  // namespace
}  // namespace eplb::testing
