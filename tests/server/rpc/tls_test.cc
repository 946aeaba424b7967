// Encryption, client certificates, their roles, and certificates that are replaced under a running server.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/credentials.h"
#include "tests/support/error_details.h"
#include "tests/support/live_server.h"
#include "tests/support/rebalance_requests.h"
#include "tests/support/test_certificates.h"

namespace eplb {
namespace {

namespace fs = std::filesystem;
using ::eplb::testing::HelloMessage;
using ::eplb::testing::LiveServer;
using ::eplb::testing::TelemetryClient;
using ::eplb::testing::TestAuthority;
using ::eplb::testing::TestCertificate;
using ::eplb::testing::WatchClient;
using ::eplb::testing::WatchMessage;
using ::testing::HasSubstr;

constexpr char kServerNames[] = "DNS:localhost,IP:127.0.0.1";

// A directory of certificate files that are replaced all at once, as Kubernetes does: a link is put in place of
// another.
class CertificateFiles {
 public:
  CertificateFiles() : root_(fs::path(::testing::TempDir()) / absl::StrCat("tls-", ::getpid(), "-", ++count_)) {
    fs::create_directories(root_);
  }
  ~CertificateFiles() { fs::remove_all(root_); }

  void Install(const TestCertificate& server, const std::string& client_ca) {
    const fs::path version = root_ / absl::StrCat("version-", ++versions_);
    fs::create_directories(version);
    std::ofstream(version / "tls.crt") << server.certificate;
    std::ofstream(version / "tls.key") << server.private_key;
    std::ofstream(version / "ca.crt") << client_ca;
    const fs::path link = root_ / "next";
    fs::create_directory_symlink(version, link);
    fs::rename(link, root_ / "current");
  }

  TlsOptions Options(bool mutual) const {
    const fs::path current = root_ / "current";
    return {.certificate_file = current / "tls.crt",
            .private_key_file = current / "tls.key",
            .client_ca_file = mutual ? (current / "ca.crt").string() : "",
            .reload_interval = absl::Seconds(1)};
  }

 private:
  static inline int count_ = 0;
  int versions_ = 0;
  const fs::path root_;
};

std::shared_ptr<grpc::Channel> TlsChannel(const std::string& address, const std::string& server_ca,
                                          const TestCertificate& client = {}) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = server_ca;
  options.pem_cert_chain = client.certificate;
  options.pem_private_key = client.private_key;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
}

std::unique_ptr<v1::EplbService::Stub> TlsStub(const std::string& address, const std::string& server_ca,
                                               const TestCertificate& client = {}) {
  return v1::EplbService::NewStub(TlsChannel(address, server_ca, client));
}

grpc::Status Rebalance(v1::EplbService::Stub& stub, const std::string& deployment = "") {
  grpc::ClientContext context;
  v1::RebalanceRequest request = MakeRequest();
  request.set_deployment(deployment);
  v1::RebalanceResponse response;
  return stub.Rebalance(&context, request, &response);
}

class TlsTest : public ::testing::Test {
 protected:
  InProcessServerOptions Options(bool mutual, AuthorizationOptions authorization = {}) {
    files_.Install(authority_.Issue("server", kServerNames), authority_.certificate());
    return {.server = {.health_listen_address = "127.0.0.1:0",
                       .tls = files_.Options(mutual),
                       .authorization = std::move(authorization)}};
  }

  CertificateFiles files_;
  TestAuthority authority_;
};

TEST_F(TlsTest, OnlyEncryptedCallsAreTaken) {
  InProcessServer server(Options(false));
  EXPECT_TRUE(Rebalance(*TlsStub(server.address(), authority_.certificate())).ok());
  EXPECT_EQ(Rebalance(*server.NewStub()).error_code(), grpc::StatusCode::UNAVAILABLE) << "plaintext";
  const TestAuthority other;
  EXPECT_EQ(Rebalance(*TlsStub(server.address(), other.certificate())).error_code(), grpc::StatusCode::UNAVAILABLE)
      << "a client that does not trust the server";
}

TEST_F(TlsTest, ClientsWithoutAValidCertificateAreRefused) {
  InProcessServer server(Options(true));
  const TestCertificate client = authority_.Issue("client", "DNS:client");
  EXPECT_TRUE(Rebalance(*TlsStub(server.address(), authority_.certificate(), client)).ok());
  EXPECT_FALSE(Rebalance(*TlsStub(server.address(), authority_.certificate())).ok());
  const TestCertificate stranger = TestAuthority().Issue("client", "DNS:client");
  EXPECT_FALSE(Rebalance(*TlsStub(server.address(), authority_.certificate(), stranger)).ok());
}

TEST_F(TlsTest, AReplacedCertificateIsServedWithoutARestart) {
  InProcessServer server(Options(false));
  ASSERT_TRUE(Rebalance(*TlsStub(server.address(), authority_.certificate())).ok());
  const TestAuthority next;
  files_.Install(next.Issue("server", kServerNames), next.certificate());
  while (!Rebalance(*TlsStub(server.address(), next.certificate())).ok()) {
  }
  EXPECT_FALSE(Rebalance(*TlsStub(server.address(), authority_.certificate())).ok()) << "the former is gone";
}

TEST_F(TlsTest, AReplacedAuthorityOfClientsCountsWithoutARestart) {
  InProcessServer server(Options(true));
  const TestCertificate former = authority_.Issue("client", "DNS:client");
  ASSERT_TRUE(Rebalance(*TlsStub(server.address(), authority_.certificate(), former)).ok());
  const TestAuthority next;
  const TestCertificate newcomer = next.Issue("client", "DNS:client");
  ASSERT_FALSE(Rebalance(*TlsStub(server.address(), authority_.certificate(), newcomer)).ok());
  files_.Install(authority_.Issue("server", kServerNames), next.certificate());
  while (!Rebalance(*TlsStub(server.address(), authority_.certificate(), newcomer)).ok()) {
  }
  EXPECT_FALSE(Rebalance(*TlsStub(server.address(), authority_.certificate(), former)).ok()) << "its issuer is out";
}

TEST_F(TlsTest, RolesFollowFromTheCertificate) {
  LiveServer server({}, Options(true, {.enabled = true,
                                       .rules = {{"spiffe://prod/worker/*", Role::kWorker, "prod/"},
                                                 {"controller.prod", Role::kController, "prod/"},
                                                 {"viewer", Role::kViewer, ""}}}));
  const auto stub_of = [&](const std::string& name, const std::string& san) {
    return TlsStub(server->address(), authority_.certificate(), authority_.Issue(name, san));
  };
  const auto worker = stub_of("w", "URI:spiffe://prod/worker/7");
  const auto controller = stub_of("c", "DNS:controller.prod");
  const auto viewer = stub_of("viewer", "DNS:somewhere");
  const auto nobody = stub_of("nobody", "URI:spiffe://dev/worker/7");

  EXPECT_EQ(Rebalance(*nobody, "prod/r1").error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Reason(Rebalance(*nobody, "prod/r1")), "ROLE_MISSING");
  EXPECT_TRUE(Rebalance(*viewer).ok());
  EXPECT_TRUE(Rebalance(*worker, "prod/r1").ok());
  EXPECT_EQ(Rebalance(*worker, "dev/r1").error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Rebalance(*worker).error_code(), grpc::StatusCode::PERMISSION_DENIED) << "its rule is for prod/ alone";

  TelemetryClient refused(*viewer);
  refused.Send(HelloMessage());
  EXPECT_EQ(refused.Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  TelemetryClient telemetry(*worker);
  telemetry.Send(HelloMessage());
  EXPECT_TRUE(telemetry.Read().has_value());
  WatchClient impostor(*viewer, WatchMessage());
  EXPECT_EQ(impostor.Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  WatchClient onlooker(*viewer, WatchMessage("prod/r1", "", ""));
  EXPECT_TRUE(onlooker.Read().has_value());

  v1::UpdateDeploymentRequest pause;
  pause.set_deployment("prod/r1");
  pause.set_mode(v1::DEPLOYMENT_MODE_PAUSED);
  v1::UpdateDeploymentResponse paused;
  grpc::ClientContext by_worker;
  EXPECT_EQ(worker->UpdateDeployment(&by_worker, pause, &paused).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  grpc::ClientContext by_controller;
  EXPECT_TRUE(controller->UpdateDeployment(&by_controller, pause, &paused).ok());

  v1::ListDeploymentsResponse list;
  grpc::ClientContext for_nobody;
  EXPECT_TRUE(nobody->ListDeployments(&for_nobody, {}, &list).ok());
  EXPECT_EQ(list.deployments_size(), 0) << "what one may not see is not listed";
  grpc::ClientContext for_viewer;
  EXPECT_TRUE(viewer->ListDeployments(&for_viewer, {}, &list).ok());
  EXPECT_EQ(list.deployments_size(), 1);
  onlooker.Cancel();
  telemetry.Cancel();
}

// One message to a stream or unary method of a service that gRPC brings along; what came back, and the status.
std::pair<grpc::Status, std::size_t> CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                             const std::string& bytes) {
  grpc::ClientContext context;
  grpc::GenericStub stub(channel);
  const grpc::Slice slice(bytes);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  const grpc::ByteBuffer request(&slice, 1);
  stub.UnaryCall(&context, method, {}, &request, &response,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  grpc::Status status = done.get_future().get();
  return {std::move(status), response.Length()};
}

TEST_F(TlsTest, ReflectionAndChannelzAreForViewersOfEverything) {
  constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  constexpr char kChannelz[] = "/grpc.channelz.v1.Channelz/GetServers";
  InProcessServerOptions options = Options(true, {.enabled = true,
                                                  .rules = {{"worker", Role::kWorker, "prod/"},
                                                            {"viewer", Role::kViewer, ""},
                                                            {"controller", Role::kController, ""}}});
  options.server.channelz = true;
  InProcessServer server(std::move(options));
  const auto channel_of = [&](const std::string& name) {
    return TlsChannel(server.address(), authority_.certificate(), authority_.Issue(name, "DNS:somewhere"));
  };
  for (const char* method : {kReflection, kChannelz}) {
    const std::string request = method == kReflection ? "\x3a\x01*" : "";
    for (const char* name : {"worker", "nobody"}) {
      const auto [status, length] = CallRaw(channel_of(name), method, request);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << name << " " << method;
      EXPECT_THAT(status.error_message(), HasSubstr("lacks the role viewer"));
      EXPECT_EQ(length, 0U) << name << " " << method;
    }
    for (const char* name : {"viewer", "controller"}) {
      EXPECT_GT(CallRaw(channel_of(name), method, request).second, 0U) << name << " " << method;
    }
  }
  const auto [health, length] = CallRaw(channel_of("nobody"), "/grpc.health.v1.Health/Check", "");
  EXPECT_TRUE(health.ok()) << "health answers everyone: " << health.error_message();
}

TEST_F(TlsTest, FilesThatDoNotLoadAreNamedAtTheStart) {
  files_.Install(authority_.Issue("server", kServerNames), authority_.certificate());
  TlsOptions missing = files_.Options(false);
  missing.certificate_file += ".not-there";
  EXPECT_THAT(std::string(MakeServerCredentials(missing).status().message()), HasSubstr("tls.certificate_file"));

  TestCertificate mixed = authority_.Issue("server", kServerNames);
  mixed.private_key = authority_.Issue("server", kServerNames).private_key;
  files_.Install(mixed, "no certificate");
  const absl::Status status = MakeServerCredentials(files_.Options(true)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tls.private_key_file"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("tls.client_ca_file"));
}

}  // namespace
}  // namespace eplb
