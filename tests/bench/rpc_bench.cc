// Rebalance over loopback: what a call costs on top of the plan. The CPU column is that of the whole process, client
// and server.
#include <benchmark/benchmark.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "server/rpc/convert/rebalance_request.h"
#include "server/rpc/convert/rebalance_response.h"
#include "tests/support/in_process_server.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

// DeepSeek-V3: 58 expert layers of 256 experts, here with 32 redundant ones on 32 GPUs of 4 nodes.
v1::RebalanceRequest DeepSeekRequest(v1::Policy policy) {
  v1::RebalanceRequest request =
      MakeRequest({.layers = 58, .experts = 256, .slots = 288, .gpus = 32, .nodes = 4, .groups = 8});
  request.mutable_options()->set_policy(policy);
  return request;
}

void Rebalance(benchmark::State& state, v1::Policy policy) {
  InProcessServer server({.planning_threads = 1});
  const std::unique_ptr<v1::EplbService::Stub> stub = server.NewStub();
  const v1::RebalanceRequest request = DeepSeekRequest(policy);
  for (auto iteration : state) {
    grpc::ClientContext context;
    v1::RebalanceResponse response;
    const grpc::Status status = stub->Rebalance(&context, request, &response);
    if (!status.ok()) state.SkipWithError(status.error_message().c_str());
    benchmark::DoNotOptimize(response);
  }
  state.counters["request_bytes"] = static_cast<double>(request.ByteSizeLong());
}
BENCHMARK_CAPTURE(Rebalance, hierarchical, v1::POLICY_HIERARCHICAL)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Rebalance, global, v1::POLICY_GLOBAL)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void Plan(benchmark::State& state, v1::Policy policy) {
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(DeepSeekRequest(policy), {}, {});
  if (!input.ok()) return state.SkipWithError("bad request");
  for (auto iteration : state) {
    benchmark::DoNotOptimize(PlanRebalance(input->problem(), input->options, SerialFor()));
  }
}
BENCHMARK_CAPTURE(Plan, hierarchical, v1::POLICY_HIERARCHICAL)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Plan, global, v1::POLICY_GLOBAL)->Unit(benchmark::kMicrosecond);

void ReadRequest(benchmark::State& state) {
  const v1::RebalanceRequest request = DeepSeekRequest(v1::POLICY_GLOBAL);
  for (auto iteration : state) benchmark::DoNotOptimize(ReadRebalanceRequest(request, {}, {}));
}
BENCHMARK(ReadRequest)->Unit(benchmark::kMicrosecond);

void WriteResponse(benchmark::State& state) {
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(DeepSeekRequest(v1::POLICY_GLOBAL), {}, {});
  const absl::StatusOr<RebalancePlan> plan = PlanRebalance(input->problem(), input->options, SerialFor());
  const GatedPlan gated{.plan = *plan};
  for (auto iteration : state) {
    v1::RebalanceResponse response;
    WriteRebalanceResponse(*input, gated, absl::ZeroDuration(), response);
    benchmark::DoNotOptimize(response.SerializeAsString());
  }
}
BENCHMARK(WriteResponse)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace eplb
