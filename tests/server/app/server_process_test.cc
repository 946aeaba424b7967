// The server as a process: what an operator, a supervisor and a load balancer see of it.
#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "eplb/v1/eplb_service.grpc.pb.h"
#include "tests/support/http_get.h"
#include "tests/support/subprocess.h"
#include "tests/support/test_certificates.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using testing::HttpGet;
using testing::LogValue;
using ::testing::Not;
using testing::ServerProcess;
using testing::TemporaryDirectory;

std::vector<std::string> Command(const std::vector<std::string>& flags) {
  std::vector<std::string> command = {EPLB_SERVER_BINARY, "--grpc.listen_address=127.0.0.1:0", "--drain.delay=0s"};
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

// Without the metrics page, whose server takes up to two seconds to end.
std::vector<std::string> QuietCommand(std::vector<std::string> flags = {}) {
  flags.insert(flags.begin(), "--metrics.listen_address=");
  return Command(flags);
}

int PortOf(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) << address;
  return port;
}

// A listening socket on any free port of the loopback.
class TakenPort {
 public:
  TakenPort() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(descriptor_, 1), 0);
    EXPECT_EQ(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~TakenPort() { ::close(descriptor_); }
  int port() const { return port_; }

 private:
  int descriptor_;
  int port_ = 0;
};

// One call that any server answers; the code tells that it was one.
grpc::StatusCode CallServer(const std::string& address) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  v1::RebalanceResponse response;
  return v1::EplbService::NewStub(channel)->Rebalance(&context, v1::RebalanceRequest(), &response).error_code();
}

TEST(Server, TellsItsPortsServesAndDrainsOnSigterm) {
  ServerProcess server(Command({"--metrics.listen_address=127.0.0.1:0", "--health.listen_address=127.0.0.1:0"}));
  const std::string ready = server.WaitForLine("event=server_ready");
  EXPECT_GT(PortOf(LogValue(ready, "health")), 0);
  EXPECT_NE(CallServer(LogValue(ready, "grpc")), grpc::StatusCode::UNAVAILABLE);
  const testing::HttpAnswer page = HttpGet(PortOf(LogValue(ready, "metrics")), "/metrics");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("eplb_rpc_calls_total{code="));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitForEnd(), 0);
  EXPECT_THAT(server.log(), HasSubstr("event=stop_requested signal=SIGTERM"));
  EXPECT_THAT(server.log(), HasSubstr("event=drained"));
}

TEST(Server, ServesLiveDeployments) {
  ServerProcess server(QuietCommand());
  const std::string address = LogValue(server.WaitForLine("event=server_ready"), "grpc");
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  v1::ListDeploymentsResponse response;
  const grpc::Status status =
      v1::EplbService::NewStub(channel)->ListDeployments(&context, v1::ListDeploymentsRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST(Server, WithoutLiveDeploymentsItTellsFleetsToGoElsewhere) {
  ServerProcess server(QuietCommand({"--live.enabled=false"}));
  const std::string address = LogValue(server.WaitForLine("event=server_ready"), "grpc");
  const auto stub = v1::EplbService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext list_context;
  v1::ListDeploymentsResponse list;
  const grpc::Status listed = stub->ListDeployments(&list_context, v1::ListDeploymentsRequest(), &list);
  EXPECT_EQ(listed.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(listed.error_message(), HasSubstr("live.enabled is false"));

  grpc::ClientContext stream_context;
  const auto stream = stub->StreamTelemetry(&stream_context);
  v1::StreamTelemetryResponse directives;
  EXPECT_FALSE(stream->Read(&directives));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);

  grpc::ClientContext replan_context;
  v1::RebalanceRequest replan;
  replan.set_deployment("a");
  v1::RebalanceResponse planned;
  EXPECT_EQ(stub->Rebalance(&replan_context, replan, &planned).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  replan.add_samples();
  grpc::ClientContext plan_context;
  EXPECT_EQ(stub->Rebalance(&plan_context, replan, &planned).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << "served, and checked";
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitForEnd(), 0);
}

TEST(Server, DrainsOnSigint) {
  ServerProcess server(QuietCommand());
  server.WaitForLine("event=server_ready");
  server.Signal(SIGINT);
  EXPECT_EQ(server.WaitForEnd(), 0);
}

TEST(Server, ASecondSignalEndsItAtOnce) {
  ServerProcess server(QuietCommand({"--drain.delay=600s"}));
  server.WaitForLine("event=server_ready");
  server.Signal(SIGTERM);
  server.WaitForLine("event=draining");
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitForEnd(), 1);
}

TEST(Server, ALogThatNobodyReadsAnyMoreEndsNothing) {
  ServerProcess server(QuietCommand());
  server.WaitForLine("event=server_ready");
  server.CloseLog();
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitForEnd(), 0) << "not ended by SIGPIPE";
}

TEST(Server, SaysWhichPortIsTaken) {
  const TakenPort taken;
  const std::string address = absl::StrCat("127.0.0.1:", taken.port());
  for (const std::string part : {"grpc", "health", "metrics"}) {
    ServerProcess server(QuietCommand({absl::StrCat("--", part, ".listen_address=", address)}));
    EXPECT_EQ(server.WaitForEnd(), 1) << part;
    EXPECT_THAT(server.log(), HasSubstr("level=error event=cannot_start")) << part;
    EXPECT_THAT(server.log(), HasSubstr(address)) << part;
  }
}

TEST(Server, MistakesAreToldOnStandardErrorWithExitCodeTwo) {
  ServerProcess server(QuietCommand({"--drain.delay=x", "--nonsense"}));
  EXPECT_EQ(server.WaitForEnd(), 2);
  EXPECT_THAT(server.log(), HasSubstr("--drain.delay: \"x\": must be a duration"));
  EXPECT_THAT(server.log(), HasSubstr("--nonsense: unknown flag"));
}

TEST(Server, CertificatesThatDoNotLoadAreAnError) {
  TemporaryDirectory directory;
  const std::string file = directory.Write("certificate.pem", "no certificate");
  ServerProcess server(
      QuietCommand({absl::StrCat("--tls.certificate_file=", file), absl::StrCat("--tls.private_key_file=", file)}));
  EXPECT_EQ(server.WaitForEnd(), 1);
  EXPECT_THAT(server.log(), HasSubstr("event=cannot_start"));
}

TEST(Server, ServesTlsToWhomTheRulesAllow) {
  const testing::TestAuthority authority;
  const testing::TestCertificate server_certificate = authority.Issue("server", "DNS:localhost,IP:127.0.0.1");
  const testing::TestCertificate viewer = authority.Issue("viewer", "URI:spiffe://test/viewer");
  TemporaryDirectory directory;
  const std::string config = directory.Write(
      "config.textproto",
      absl::StrCat("tls { certificate_file: '", directory.Write("server.pem", server_certificate.certificate),
                   "' private_key_file: '", directory.Write("server.key", server_certificate.private_key),
                   "' client_ca_file: '", directory.Write("ca.pem", authority.certificate()),
                   "' } authorization { enabled: true rules { identity: 'spiffe://test/viewer' role: viewer } }"));
  ServerProcess server(Command({"--config", config, "--logging.level=trace", "--metrics.listen_address=127.0.0.1:0"}));
  const std::string ready = server.WaitForLine("event=server_ready");
  const std::string address = LogValue(ready, "grpc");
  EXPECT_EQ(CallServer(address), grpc::StatusCode::UNAVAILABLE) << "plaintext";
  EXPECT_THAT(HttpGet(PortOf(LogValue(ready, "metrics")), "/metrics").body,
              HasSubstr("\neplb_tls_certificate_expiry_timestamp_seconds "));

  const auto stub = v1::EplbService::NewStub(
      grpc::CreateChannel(address, grpc::SslCredentials({.pem_root_certs = authority.certificate(),
                                                         .pem_private_key = viewer.private_key,
                                                         .pem_cert_chain = viewer.certificate})));
  grpc::ClientContext list_context;
  v1::ListDeploymentsResponse list;
  EXPECT_TRUE(stub->ListDeployments(&list_context, v1::ListDeploymentsRequest(), &list).ok());
  grpc::ClientContext update_context;
  v1::UpdateDeploymentRequest update;
  update.set_deployment("a");
  v1::UpdateDeploymentResponse updated;
  EXPECT_EQ(stub->UpdateDeployment(&update_context, update, &updated).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitForEnd(), 0);
  EXPECT_THAT(server.log(), Not(HasSubstr("PRIVATE KEY")));
  EXPECT_THAT(server.log(), Not(HasSubstr(server_certificate.private_key.substr(60, 40))));
}

TEST(Server, TheReadyFileIsThereWhileItIsReady) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("ready");
  ServerProcess server(QuietCommand({"--process.ready_file", path}));
  const std::string ready = server.WaitForLine("event=server_ready");
  EXPECT_EQ(testing::ReadFile(path), absl::StrCat("pid=", server.pid(), "\ngrpc=", LogValue(ready, "grpc"), "\n"));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitForEnd(), 0);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Server, AReadyFileThatCannotBeWrittenIsAnError) {
  ServerProcess server(QuietCommand({"--process.ready_file=/nowhere/ready"}));
  EXPECT_EQ(server.WaitForEnd(), 1);
  EXPECT_THAT(server.log(), HasSubstr("process.ready_file: cannot write /nowhere/ready: No such file or directory"));
}

TEST(Server, KilledItLeavesNothingInTheWayOfTheNext) {
  std::string address;
  {
    ServerProcess server(QuietCommand());
    address = LogValue(server.WaitForLine("event=server_ready"), "grpc");
    EXPECT_NE(CallServer(address), grpc::StatusCode::UNAVAILABLE);
    server.Signal(SIGKILL);
    EXPECT_EQ(server.WaitForEnd(), 128 + SIGKILL);
  }
  ServerProcess next(QuietCommand({"--grpc.listen_address=" + address}));
  EXPECT_EQ(LogValue(next.WaitForLine("event=server_ready"), "grpc"), address);
  EXPECT_NE(CallServer(address), grpc::StatusCode::UNAVAILABLE);
}

TEST(Server, LogsJsonWhereAsked) {
  ServerProcess server(QuietCommand({"--logging.format=json"}));
  EXPECT_THAT(server.WaitForLine("server_ready"),
              ::testing::MatchesRegex(R"(\{"time":"[-0-9T:.]+Z","level":"info","event":"server_ready",.*\})"));
}

}  // namespace
}  // namespace eplb
