// What a Rebalance request means once read: defaults, limits, options, loads by expert and by slot.
#include "server/rpc/convert/rebalance_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kTwoTo53 = std::uint64_t{1} << 53;

TEST(RebalanceRequestTest, ConfiguredLimitsApplyBelowTheModels) {
  const RequestLimits limits{
      .max_layers = 1, .max_experts = 7, .max_slots = 11, .max_gpus = 3, .max_samples = 1, .max_work = 5};
  v1::RebalanceRequest request = MakeRequest();
  EXPECT_THAT(
      FieldErrorTexts(ReadRebalanceRequest(request, {}, limits).status()),
      ElementsAre("topology.num_gpus | 4 | must be from 1 to 3", "topology.num_slots | 12 | must be from 1 to 11",
                  "samples[0].layers | 2 layers | must be from 1 to 1"));
}

TEST(RebalanceRequestTest, LimitsAreNeverAboveTheModels) {
  const RequestLimits limits = RequestLimits{.max_layers = 1 << 20, .max_samples = 1 << 20}.WithinModelBounds();
  EXPECT_EQ(limits.max_layers, kMaxLayers);
  EXPECT_EQ(limits.max_samples, kMaxSamples);
}

TEST(RebalanceRequestTest, UnevenHardwareIsRead) {
  v1::RebalanceRequest request = MakeRequest();
  request.mutable_topology()->set_num_slots(0);
  request.mutable_topology()->set_num_nodes(2);
  for (int slots : {2, 3, 4, 3}) request.mutable_topology()->add_slots_per_gpu(slots);
  for (double speed : {1.0, 0.5, 2.0, 1.0}) request.mutable_topology()->add_gpu_speed(speed);
  for (int node : {0, 1, 0, 1}) request.mutable_topology()->add_node_of_gpu(node);
  request.add_excluded_gpus(0);
  request.add_draining_gpus(1);
  request.mutable_samples(0)->mutable_layers(0)->mutable_tokens()->Truncate(7);
  request.mutable_samples(0)->mutable_layers(1)->mutable_tokens()->Truncate(7);

  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});

  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(input->topology.num_slots(), 12);
  EXPECT_EQ(input->topology.slots_on(2), 4);
  EXPECT_EQ(input->topology.speed(1), 0.5);
  EXPECT_EQ(input->topology.node_of_gpu(1), 1);
  EXPECT_TRUE(input->topology.excluded(0));
  EXPECT_TRUE(input->topology.excluded(1));
  EXPECT_EQ(input->topology.num_usable_slots(), 7);
}

TEST(RebalanceRequestTest, SlotTokensAreSummedIntoExperts) {
  // Contiguous: slots 0 1 | 4 on the first GPU, and so on; give every slot 1 + its number.
  v1::RebalanceRequest request = MakeRequest();
  AddContiguousCurrent(request);
  for (int layer : {0, 1}) {
    Layer(request, layer).clear_tokens();
    for (int slot = 0; slot < 12; ++slot) Layer(request, layer).add_slot_tokens(static_cast<std::uint64_t>(slot) + 1);
  }
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
  ASSERT_TRUE(input.ok()) << input.status();
  std::vector<double> expected(8, 0.0);
  for (int slot = 0; slot < 12; ++slot) {
    expected[static_cast<std::size_t>(request.current(0).physical_to_logical(slot))] += slot + 1;
  }
  EXPECT_THAT(input->samples[0].loads.layer(0), ::testing::ElementsAreArray(expected));
}

TEST(RebalanceRequestTest, SamplesOfWeightZeroDoNotCount) {
  v1::RebalanceRequest request = MakeRequest();
  *request.add_samples() = MakeRequest({.seed = 2}).samples(0);
  request.mutable_samples(0)->set_weight(0);
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
  ASSERT_TRUE(input.ok()) << input.status();
  ASSERT_EQ(input->samples.size(), 1U);
  EXPECT_EQ(input->samples[0].loads.layer(0)[0], static_cast<double>(request.samples(1).layers(0).tokens(0)));
  EXPECT_EQ(input->samples[0].weight, 1.0) << "unset is 1";
}

TEST(RebalanceRequestTest, DefaultsFillWhatIsUnset) {
  const PlanDefaults defaults{.policy = Policy::kGlobal, .work_limit = 77, .bytes_per_expert = 99};
  v1::RebalanceRequest request = MakeRequest();
  absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, defaults, {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(input->options.policy, Policy::kGlobal);
  EXPECT_EQ(input->options.work_limit, 77);
  EXPECT_EQ(input->options.bytes_per_expert, 99);
  EXPECT_TRUE(input->options.budget.unlimited());
  EXPECT_EQ(input->constraints.min_replicas, 1);

  request.mutable_options()->set_policy(v1::POLICY_OPTIMIZED);
  request.mutable_options()->set_work_limit(5);
  request.set_bytes_per_expert(6);
  input = ReadRebalanceRequest(request, defaults, {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(input->options.policy, Policy::kOptimized);
  EXPECT_EQ(input->options.work_limit, 5);
  EXPECT_EQ(input->options.bytes_per_expert, 6);
}

TEST(RebalanceRequestTest, EveryOptionReachesThePlan) {
  v1::RebalanceRequest request = MakeRequest();
  AddContiguousCurrent(request);
  v1::PlanOptions& options = *request.mutable_options();
  options.set_traffic_shares(true);
  options.set_max_transfers_per_gpu(3);
  options.mutable_gate()->mutable_horizon()->set_seconds(7);
  options.mutable_gate()->set_intra_node_bytes_per_second(5);
  options.mutable_gate()->set_hysteresis_ratio(0);
  request.mutable_constraints()->set_stable_local_slots(false);
  request.set_bytes_per_expert(11);

  const absl::StatusOr<RebalanceInput> input =
      ReadRebalanceRequest(request, {.gate = {.inter_node_bytes_per_second = 9}}, {});

  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_TRUE(input->options.traffic_shares);
  EXPECT_EQ(input->options.max_transfers_per_gpu, 3);
  EXPECT_FALSE(input->constraints.stable_local_slots);
  ASSERT_TRUE(input->gate.has_value());
  EXPECT_EQ(input->gate->horizon, absl::Seconds(7));
  EXPECT_EQ(input->gate->intra_node_bytes_per_second, 5);
  EXPECT_EQ(input->gate->inter_node_bytes_per_second, 9) << "the server's default";
  EXPECT_EQ(input->gate->hysteresis_ratio, 0);
  EXPECT_EQ(input->gate->bytes_per_expert, 11);
}

TEST(RebalanceRequestTest, UnsetOptionsAreTheServersDefaults) {
  v1::RebalanceRequest request = MakeRequest();
  AddContiguousCurrent(request);
  absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {.max_transfers_per_gpu = 2}, {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(input->options.max_transfers_per_gpu, 2);
  EXPECT_FALSE(input->options.traffic_shares);
  EXPECT_TRUE(input->constraints.stable_local_slots);
  EXPECT_FALSE(input->gate.has_value());

  request.mutable_options()->mutable_gate()->set_disabled(true);
  input = ReadRebalanceRequest(request, {}, {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_FALSE(input->gate.has_value());
}

TEST(RebalanceRequestTest, DrainingGpusCanStillBeCopiedFrom) {
  v1::RebalanceRequest request = MakeRequest();
  request.add_excluded_gpus(0);
  request.mutable_topology()->set_num_slots(16);
  request.add_draining_gpus(3);
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_FALSE(input->topology.can_send(0));
  EXPECT_TRUE(input->topology.excluded(3));
  EXPECT_TRUE(input->topology.can_send(3));
}

TEST(RebalanceRequestTest, TooFewSlotsNameTheExpertsThatAreLost) {
  v1::RebalanceRequest request = MakeRequest();
  AddContiguousCurrent(request);
  request.add_excluded_gpus(1);
  request.add_draining_gpus(2);
  const absl::Status status = ReadRebalanceRequest(request, {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("usable slots 6 < experts 8: 2 experts cannot be placed in any layer; layer 0 has "
                                   "lost every replica of"));
}

TEST(RebalanceRequestTest, ABudgetOfZeroIsABudget) {
  v1::RebalanceRequest request = MakeRequest();
  AddContiguousCurrent(request);
  request.mutable_options()->mutable_budget()->set_total(0);
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(input->options.budget.total, 0);
  EXPECT_EQ(input->options.budget.per_layer, std::nullopt);
}

TEST(RebalanceRequestTest, AllGpusExcludedFailsThePrecondition) {
  v1::RebalanceRequest request = MakeRequest();
  for (int gpu : {3, 2, 1, 0}) request.add_excluded_gpus(gpu);
  const absl::Status status = ReadRebalanceRequest(request, {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(FieldErrorTexts(status), IsEmpty());
}

TEST(RebalanceRequestTest, SumsUpToTwoToThe53AreExact) {
  v1::RebalanceRequest request = MakeRequest();
  for (std::uint64_t& tokens : *Layer(request, 0).mutable_tokens()) tokens = kTwoTo53 / 8;
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(input->samples[0].loads.layer(0)[7], static_cast<double>(kTwoTo53 / 8));
}

}  // namespace
}  // namespace eplb
