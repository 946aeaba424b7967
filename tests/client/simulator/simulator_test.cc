// eplb-simulator as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/server_process.h"
#include "tests/support/subprocess.h"
#include "tests/support/test_certificates.h"

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
  for (const char* flag : {"--server",
                           "--seconds",
                           "--deployments",
                           "--workers",
                           "--series",
                           "--sub-window-seconds",
                           "--drift",
                           "--shift-at",
                           "--bytes-per-second",
                           "--latency-ms",
                           "--slow-reader",
                           "--reject-worker",
                           "--dead-worker",
                           "--restart-worker",
                           "--tls",
                           "--tls-root",
                           "--clock-skew",
                           "--lose-reports",
                           "--duplicate-reports",
                           "Exit codes",
                           "Examples"}) {
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
           {{"--tls-root", "ca.pem"}, "--tls"},
           {{"--tls", "--tls-root", "/no/such/ca.pem"}, "/no/such/ca.pem"},
           {{"--tls", "--tls-root", ragged}, "ragged.csv: is not PEM"},
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

TEST(SimulatorTest, ReportsOverMutualTls) {
  const TestAuthority authority;
  const TestCertificate server_certificate = authority.Issue("server", "DNS:localhost,IP:127.0.0.1");
  const TestCertificate client = authority.Issue("client", "DNS:client");
  const TemporaryDirectory directory;
  const std::string root = directory.Write("ca.pem", authority.certificate());
  ServerProcess server({EPLB_SERVER, "--grpc.listen_address=127.0.0.1:0", "--health.listen_address=",
                        "--metrics.listen_address=", "--drain.delay=0s", "--telemetry.report_interval=0.1s",
                        "--tls.certificate_file=" + directory.Write("server.pem", server_certificate.certificate),
                        "--tls.private_key_file=" + directory.Write("server.key", server_certificate.private_key),
                        "--tls.client_ca_file=" + root});
  const std::string address = LogValue(server.WaitForLine("event=server_ready"), "grpc");
  const ProgramResult result = Simulate({"--server",
                                         address,
                                         "--tls",
                                         "--tls-root",
                                         root,
                                         "--tls-certificate",
                                         directory.Write("client.pem", client.certificate),
                                         "--tls-key",
                                         directory.Write("client.key", client.private_key),
                                         "--gpus",
                                         "8",
                                         "--nodes",
                                         "2",
                                         "--layers",
                                         "2",
                                         "--experts",
                                         "32",
                                         "--slots",
                                         "40",
                                         "--seconds",
                                         "2",
                                         "--print-every",
                                         "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const ProgramResult plain = Simulate({"--server", address, "--seconds", "0.3", "--print-every", "0.3"});
  EXPECT_EQ(plain.exit_code, 3) << "plaintext is refused";
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
