// eplb-simulator as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/server_process.h"
#include "tests/support/subprocess.h"

namespace eplb::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ProgramResult Simulate(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), EPLB_SIMULATOR);
  return RunProgram(arguments);
}

TEST(SimulatorTest, HelpNamesEveryFlag) {
  const ProgramResult help = Simulate({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* flag :
       {"--server", "--seconds", "--deployments", "--workers", "--series", "--sub-window-seconds", "--drift",
        "--shift-at", "--bytes-per-second", "--latency-ms", "--slow-reader", "--reject-worker", "--dead-worker",
        "--restart-worker", "--clock-skew", "--lose-reports", "--duplicate-reports", "Exit codes", "Examples"}) {
    EXPECT_THAT(help.out, HasSubstr(flag));
  }
}

TEST(SimulatorTest, WrongInputIsNamedAndNothingIsRun) {
  struct Case {
    std::vector<std::string> arguments;
    std::string message;
  };
  const TemporaryDirectory directory;
  const std::string ragged = directory.Write("ragged.csv", "window,layer,e0,e1\n0,3,1,2\n0,4,1\n");
  for (const Case& one : std::vector<Case>{
           {{"--sevrer", "x"}, "--sevrer"},
           {{"--seconds", "-1"}, "--seconds"},
           {{"--seconds", "many"}, "--seconds"},
           {{"--workers", "5"}, "workers: 5: must divide the GPUs, 32"},
           {{"--slots", "100"}, "100"},
           {{"--sigma", "nan"}, "--sigma"},
           {{"--lose-reports", "1.5"}, "--lose-reports"},
           {{"--dead-at", "3"}, "--dead-worker"},
           {{"--dead-worker", "32", "--dead-at", "3"}, "32: must be one of the workers, 0 to 31"},
           {{"--slow-reader", "0"}, "--slow-reader-seconds"},
           {{"--series", "/no/such/file.npy"}, "/no/such/file.npy"},
           {{"--series", ragged}, "line 3"},
       }) {
    const ProgramResult result = Simulate(one.arguments);
    EXPECT_EQ(result.exit_code, 2) << one.message;
    EXPECT_THAT(result.err, AllOf(HasSubstr("eplb-simulator: "), HasSubstr(one.message)));
    EXPECT_THAT(result.out, IsEmpty()) << one.message;
  }
}

TEST(SimulatorTest, AServerThatIsNotThereIsToldByTheExitCode) {
  const ProgramResult result = Simulate({"--server", "127.0.0.1:1", "--seconds", "0.3", "--print-every", "0.3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, AllOf(HasSubstr("waiting for 127.0.0.1:1: "), HasSubstr("no report reached 127.0.0.1:1")));
}

class SimulatorWithServerTest : public ::testing::Test {
 protected:
  SimulatorWithServerTest()
      : server_({EPLB_SERVER, "--grpc.listen_address=127.0.0.1:0",
                 "--health.listen_address=", "--metrics.listen_address=", "--drain.delay=0s",
                 "--telemetry.report_interval=0.1s", "--planner.rejection_backoff=0.1s"}),
        address_(LogValue(server_.WaitForLine("event=server_ready"), "grpc")) {}

  // Small fleets of eight workers for a few seconds.
  ProgramResult SimulateHere(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", address_, "--gpus", "8", "--nodes", "2", "--print-every", "0.5",
                                         "--bytes-per-expert", "1000"});
    return Simulate(std::move(arguments));
  }

  ServerProcess server_;
  const std::string address_;
};

TEST_F(SimulatorWithServerTest, ASeriesIsPlayedOverAndOver) {
  const TemporaryDirectory directory;
  std::string csv = "window,layer,e0,e1,e2,e3,e4,e5,e6,e7,e8,e9,e10,e11,e12,e13,e14,e15\n";
  for (const char* window : {"0", "1"}) {
    csv += std::string(window) + ",7,900,800,700,600,10,20,30,40,50,60,70,80,10,20,30,40\n";
    csv += std::string(window) + ",9,10,20,30,40,50,60,70,80,10,20,30,40,900,800,700,600\n";
  }
  const ProgramResult result = SimulateHere({"--series", directory.Write("loads.csv", csv), "--sub-window-seconds",
                                             "0.5", "--seconds", "4", "--slots", "24"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("with the service   without (contiguous)"));
  EXPECT_THAT(result.out, ContainsRegex("start +0.0 s"));
  EXPECT_THAT(result.out, ContainsRegex("weights moved +[0-9.]+ GB"));
}

TEST_F(SimulatorWithServerTest, FleetsGoOnThroughEveryFault) {
  const ProgramResult result = SimulateHere({"--layers",
                                             "4",
                                             "--experts",
                                             "32",
                                             "--deployments",
                                             "2",
                                             "--seconds",
                                             "6",
                                             "--all-ranks",
                                             "--reject-worker",
                                             "1",
                                             "--reject-probability",
                                             "0.3",
                                             "--slow-worker",
                                             "2",
                                             "--slow-seconds",
                                             "0.1",
                                             "--slow-reader",
                                             "3",
                                             "--slow-reader-seconds",
                                             "0.2",
                                             "--dead-worker",
                                             "4",
                                             "--dead-at",
                                             "1",
                                             "--restart-worker",
                                             "5",
                                             "--restart-at",
                                             "1",
                                             "--restart-for",
                                             "0.5",
                                             "--clock-skew",
                                             "3600",
                                             "--lose-reports",
                                             "0.1",
                                             "--duplicate-reports",
                                             "0.2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("(the worst)"));
  // Seven of eight workers of two fleets report at the end.
  EXPECT_THAT(result.out, ContainsRegex("\\.[0-9]+ +[0-9]+ +14 +[0-9]+ "));
}

}  // namespace
}  // namespace eplb::testing
