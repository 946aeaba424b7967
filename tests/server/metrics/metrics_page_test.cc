// The page as Prometheus reads it: well-formed, over HTTP, and clean in the eyes of promtool.
#include "server/metrics/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/metrics/hub_metrics.h"
#include "server/metrics/rebalance_metrics.h"
#include "server/metrics/rpc_metrics.h"
#include "tests/server/metrics/page_reader.h"
#include "tests/support/fake_clock.h"
#include "tests/support/http_get.h"
#include "tests/support/subprocess.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using testing::HttpGet;
using testing::ProblemsOf;
using testing::SamplesOf;

// A page with every family of the service on it.
struct FullPage {
  FullPage() : rpc(page.registry()), rebalance(page.registry()), hub({.per_layer = true}, page, clock) {
    rpc.OnCallStarted(RpcMethod::kRebalance);
    rpc.OnMessageReceived(RpcMethod::kRebalance, 10);
    rpc.OnMessageSent(RpcMethod::kRebalance, 20);
    rpc.OnCallFinished(RpcMethod::kRebalance, 0, absl::Milliseconds(7));
    rebalance.OnPlanned({.policy = "global",
                         .compute_duration = absl::Milliseconds(2),
                         .queue_duration = absl::Milliseconds(1),
                         .balancedness_before = 0.5,
                         .balancedness_after = 0.99,
                         .step_time_before = 2,
                         .step_time_after = 1.01,
                         .lower_bound_gap = 0.001,
                         .intra_node_fetches = 3,
                         .inter_node_fetches = 4,
                         .twins = 5});
    rebalance.OnShed();
    rebalance.OnDeduplicated();
    page.AddScrapedGauge(metrics::kPoolQueueDepth, [] { return 3.0; });
    absl::StatusOr<DeploymentSpec> spec = DeploymentSpec::Create({.name = "a",
                                                                  .topology = {.num_gpus = 2, .num_slots = 2},
                                                                  .model_layers = {0},
                                                                  .num_experts = 2,
                                                                  .constraints = {},
                                                                  .phase_weights = {}});
    EPLB_CHECK(spec.ok());
    deployment = hub.OnDeployment(*spec);
    deployment->OnSubWindow(
        {.live = {{.mean = 1, .max = 2}}, .contiguous = {{.mean = 1, .max = 3}}, .predicted_step_time = 2});
    deployment->OnReport(ReportOutcome::kFolded, absl::Milliseconds(1));
  }

  testing::FakeClock clock;
  MetricsPage page;
  RpcMetrics rpc;
  RebalanceMetrics rebalance;
  HubMetrics hub;
  std::unique_ptr<DeploymentObserver> deployment;
};

TEST(MetricsPage, IsWellFormed) {
  const FullPage full;
  EXPECT_EQ(ProblemsOf(full.page.ToText()), "");
}

TEST(MetricsPage, IsCleanForPromtool) {
  if (testing::RunProgram({"/bin/sh", "-c", "command -v promtool"}).exit_code != 0) {
    GTEST_SKIP() << "promtool is not installed (Debian: prometheus)";
  }
  const FullPage full;
  const testing::ProgramResult result =
      testing::RunProgram({"/bin/sh", "-c", "promtool check metrics"}, full.page.ToText());
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_EQ(result.out + result.err, "");
}

TEST(MetricsPage, CountsCallsByMethodAndCode) {
  FullPage full;
  full.rpc.OnCallStarted(RpcMethod::kOther);
  const auto samples = SamplesOf(full.page);
  EXPECT_EQ(samples.at(R"(eplb_rpc_calls_total{code="OK",method="eplb.v1.EplbService/Rebalance"})"), 1);
  EXPECT_EQ(samples.at(R"(eplb_rpc_latency_seconds_count{code="OK",method="eplb.v1.EplbService/Rebalance"})"), 1);
  EXPECT_EQ(samples.at(R"(eplb_rpc_received_bytes_total{method="eplb.v1.EplbService/Rebalance"})"), 10);
  EXPECT_EQ(samples.at(R"(eplb_rpc_sent_bytes_total{method="eplb.v1.EplbService/Rebalance"})"), 20);
  EXPECT_EQ(samples.at(R"(eplb_rpc_in_flight{method="eplb.v1.EplbService/Rebalance"})"), 0);
  EXPECT_EQ(samples.at(R"(eplb_rpc_in_flight{method="other"})"), 1);
}

TEST(MetricsPage, EveryCodeOfTheServicesOwnMethodsIsCountedFromZeroOn) {
  MetricsPage page;
  const RpcMetrics rpc(page.registry());
  const auto samples = SamplesOf(page);
  for (int method = 0; method < kNumRpcMethods; ++method) {
    for (int code = 0; code < kNumRpcCodes; ++code) {
      const std::string name(RpcMethodName(static_cast<RpcMethod>(method)));
      const std::string series =
          absl::StrCat("eplb_rpc_calls_total{code=\"", std::string(RpcCodeName(code)), "\",method=\"", name, "\"}");
      EXPECT_EQ(samples.count(series), name.starts_with("eplb.v1.") ? 1U : 0U) << series;
    }
  }
}

TEST(MetricsPage, MeasuresRebalanceCalls) {
  const FullPage full;
  const auto samples = SamplesOf(full.page);
  EXPECT_EQ(samples.at(R"(eplb_rebalance_duration_seconds_count{policy="global"})"), 1);
  EXPECT_EQ(samples.at(R"(eplb_rebalance_balancedness_ratio_sum{stage="before"})"), 0.5);
  EXPECT_EQ(samples.at(R"(eplb_rebalance_step_time_ratio_sum{stage="after"})"), 1.01);
  EXPECT_EQ(samples.at(R"(eplb_rebalance_moves_total{reach="intra_node"})"), 3);
  EXPECT_EQ(samples.at(R"(eplb_rebalance_moves_total{reach="inter_node"})"), 4);
  EXPECT_EQ(samples.at("eplb_rebalance_twins_total"), 5);
  EXPECT_EQ(samples.at("eplb_rebalance_lower_bound_gap_ratio_sum"), 0.001);
  EXPECT_EQ(samples.at("eplb_rebalance_shed_total"), 1);
  EXPECT_EQ(samples.at("eplb_rebalance_deduplicated_total"), 1);
  EXPECT_EQ(samples.at("eplb_pool_queue_depth"), 3);
}

TEST(MetricsPage, TellsOfTheProcess) {
  const MetricsPage page;
  const auto samples = SamplesOf(page);
  EXPECT_GE(samples.at("process_cpu_seconds_total"), 0);
  EXPECT_GT(samples.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(samples.at("process_virtual_memory_bytes"), samples.at("process_resident_memory_bytes"));
  EXPECT_GE(samples.at("process_open_fds"), 3);
  EXPECT_GT(samples.at("process_max_fds"), samples.at("process_open_fds"));
  EXPECT_GT(samples.at("process_start_time_seconds"), 1.5e9);
  EXPECT_GE(samples.at("process_threads"), 1);
}

TEST(MetricsPage, TellsOfTheBuild) { EXPECT_THAT(MetricsPage().ToText(), HasSubstr("eplb_build_info{")); }

TEST(MetricsServer, ServesThePageOnAFreePort) {
  const FullPage full;
  const auto server = MetricsServer::Start("127.0.0.1:0", full.page);
  ASSERT_TRUE(server.ok()) << server.status();
  const testing::HttpAnswer answer = HttpGet((*server)->port(), "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.headers, HasSubstr("Content-Type: text/plain"));
  EXPECT_THAT(answer.body, HasSubstr("eplb_rebalance_shed_total 1"));
  EXPECT_EQ(HttpGet((*server)->port(), "/").status, 404);
  EXPECT_EQ(HttpGet((*server)->port(), "/etc/passwd").status, 404);
}

TEST(MetricsServer, SaysWhichAddressItCannotHave) {
  const MetricsPage page;
  const auto first = MetricsServer::Start("127.0.0.1:0", page);
  ASSERT_TRUE(first.ok());
  const std::string address = absl::StrCat("127.0.0.1:", (*first)->port());
  const auto second = MetricsServer::Start(address, page);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace eplb
