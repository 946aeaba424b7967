#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "tests/client/eplbctl/eplbctl.h"

namespace eplb::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<std::string> kCommands = {"rebalance", "plan-capacity", "convert", "generate", "replay", "report",
                                            "list",      "get",           "watch",   "top",      "pause",  "resume",
                                            "drain",     "restore",       "replan",  "version"};

TEST(EplbctlUsageTest, HelpOfEveryCommandGoesToTheStandardOutput) {
  const ProgramResult root = RunEplbctl({"--help"});
  EXPECT_EQ(root.exit_code, 0);
  EXPECT_EQ(root.err, "");
  EXPECT_THAT(root.out, HasSubstr("Exit codes:"));
  for (const std::string& command : kCommands) {
    EXPECT_THAT(root.out, HasSubstr(command));
    const ProgramResult help = RunEplbctl({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_EQ(help.err, "") << command;
    if (command != "version") {
      EXPECT_THAT(help.out, HasSubstr("Examples:")) << command;
    }
  }
}

TEST(EplbctlUsageTest, VersionIsACommandAndAFlag) {
  for (const char* argument : {"version", "--version"}) {
    const ProgramResult result = RunEplbctl({argument});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.out, "eplbctl " EPLB_VERSION "\n");
  }
}

struct Misuse {
  const char* name;
  std::vector<std::string> arguments;
  const char* prefix;
  const char* error;
};

void PrintTo(const Misuse& test, std::ostream* out) { *out << test.name; }

class EplbctlMisuseTest : public ::testing::TestWithParam<Misuse> {};

TEST_P(EplbctlMisuseTest, IsOneLineOnTheStandardErrorAndExitCode2) {
  const ProgramResult result = RunEplbctl(GetParam().arguments);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith(GetParam().prefix));
  EXPECT_THAT(result.err, HasSubstr(GetParam().error));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

std::vector<std::string> Rebalance(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"rebalance", "--local", "--loads", "/dev/null"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, EplbctlMisuseTest,
    ::testing::Values(
        Misuse{"no_command", {}, "eplbctl: ", "subcommand is required"},
        Misuse{"unknown_command", {"balance"}, "eplbctl: ", "balance: no such command"},
        Misuse{"list_without_server", {"list"}, "eplbctl list: ", "--server is required"},
        Misuse{"get_without_deployment", {"get", "--server", "a:1"}, "eplbctl get: ", "deployment is required"},
        Misuse{"replan_without_server", {"replan", "d"}, "eplbctl replan: ", "--server is required"},
        Misuse{"drain_without_gpus", {"drain", "d", "--server", "a:1"}, "eplbctl drain: ", "--gpus is required"},
        Misuse{"unknown_flag", Rebalance({"--slot", "8", "--gpus", "2"}), "eplbctl rebalance: ", "--slot"},
        Misuse{"no_loads", {"rebalance", "--local"}, "eplbctl rebalance: ", "--loads is required"},
        Misuse{"no_slots", Rebalance({"--gpus", "2"}), "eplbctl rebalance: ", "--slots is required"},
        Misuse{"no_gpus", Rebalance({"--slots", "8"}), "eplbctl rebalance: ", "--gpus is required"},
        Misuse{"zero_gpus", Rebalance({"--slots", "8", "--gpus", "0"}),
               "eplbctl rebalance: ", "--gpus: Value 0 not in range"},
        Misuse{"text_for_number", Rebalance({"--slots", "8", "--gpus", "two"}),
               "eplbctl rebalance: ", "--gpus: Value two not in range 1 to 16384"},
        Misuse{"overflow", Rebalance({"--slots", "99999999999", "--gpus", "2"}),
               "eplbctl rebalance: ", "--slots: Value 99999999999 not in range"},
        Misuse{"unknown_policy", Rebalance({"--policy", "best"}), "eplbctl rebalance: ", "best not in {"},
        Misuse{"unknown_format", Rebalance({"--format", "xml"}), "eplbctl rebalance: ", "xml not in {"},
        Misuse{"stray_argument", Rebalance({"loads.csv"}), "eplbctl rebalance: ", "loads.csv"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace eplb::testing
