// Every way in which a Rebalance request can be wrong, and that the answer names field, value and bound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "server/rpc/convert/rebalance_request.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

constexpr std::uint64_t kTwoTo53 = std::uint64_t{1} << 53;

struct BadRequestCase {
  std::string name;
  std::function<void(v1::RebalanceRequest&)> break_it;  // of MakeRequest(): 2 layers, 8 experts, 12 slots, 4 GPUs
  std::string error;                                    // "field | value | rule"
  bool with_current = false;
};

v1::LayerPlacement& Current(v1::RebalanceRequest& request, int layer) { return *request.mutable_current(layer); }

std::vector<BadRequestCase> TopologyCases() {
  return {
      {"ZeroGpus", [](auto& r) { r.mutable_topology()->set_num_gpus(0); },
       "topology.num_gpus | 0 | must be from 1 to 16384"},
      {"NegativeGpus", [](auto& r) { r.mutable_topology()->set_num_gpus(-3); },
       "topology.num_gpus | -3 | must be from 1 to 16384"},
      {"TooManyGpus", [](auto& r) { r.mutable_topology()->set_num_gpus(16385); },
       "topology.num_gpus | 16385 | must be from 1 to 16384"},
      {"NoSlots", [](auto& r) { r.mutable_topology()->set_num_slots(0); },
       "topology.num_slots | 0 | must be from 1 to 65536"},
      {"TooManySlots", [](auto& r) { r.mutable_topology()->set_num_slots(65540); },
       "topology.num_slots | 65540 | must be from 1 to 65536"},
      {"SlotsNoMultipleOfGpus", [](auto& r) { r.mutable_topology()->set_num_slots(13); },
       "topology.num_slots | 13 | must be a multiple of num_gpus = 4 without slots_per_gpu"},
      {"FewerSlotsThanExperts", [](auto& r) { r.mutable_topology()->set_num_slots(4); },
       "topology.num_slots | 4 | must be at least the number of experts, 8"},
      {"MoreNodesThanGpus", [](auto& r) { r.mutable_topology()->set_num_nodes(5); },
       "topology.num_nodes | 5 | must be from 1 to 4"},
      {"NegativeGroups", [](auto& r) { r.mutable_topology()->set_num_groups(-1); },
       "topology.num_groups | -1 | must be from 1 to 4096"},
      {"SlotsPerGpuTooShort", [](auto& r) { r.mutable_topology()->add_slots_per_gpu(12); },
       "topology.slots_per_gpu | 1 entries | must have num_gpus = 4 or none"},
      {"SlotsPerGpuNegative",
       [](auto& r) {
         for (int slots : {-1, 5, 4, 4}) r.mutable_topology()->add_slots_per_gpu(slots);
       },
       "topology.slots_per_gpu[0] | -1 | must be from 0 to 65536"},
      {"SlotsPerGpuSum",
       [](auto& r) {
         for (int slots : {3, 3, 3, 4}) r.mutable_topology()->add_slots_per_gpu(slots);
       },
       "topology.slots_per_gpu | sum 13 | must sum to num_slots = 12"},
      {"SlotsPerGpuSumOverflows",
       [](auto& r) {
         r.mutable_topology()->set_num_slots(0);
         for (int i = 0; i < 4; ++i) r.mutable_topology()->add_slots_per_gpu(std::numeric_limits<int>::max());
       },
       "topology.num_slots | 65537 | must be from 1 to 65536"},
      {"ZeroSpeed",
       [](auto& r) {
         for (double speed : {1.0, 0.0, 1.0, 1.0}) r.mutable_topology()->add_gpu_speed(speed);
       },
       "topology.gpu_speed[1] | 0 | must be from 1/1024 to 1024"},
      {"NanSpeed",
       [](auto& r) {
         for (double speed : {1.0, 1.0, std::numeric_limits<double>::quiet_NaN(), 1.0}) {
           r.mutable_topology()->add_gpu_speed(speed);
         }
       },
       "topology.gpu_speed[2] | nan | must be from 1/1024 to 1024"},
      {"NodeOutOfRange",
       [](auto& r) {
         for (int node : {0, 0, 0, 1}) r.mutable_topology()->add_node_of_gpu(node);
       },
       "topology.node_of_gpu[3] | 1 | must be from 0 to 0"},
      {"ExcludedOutOfRange", [](auto& r) { r.add_excluded_gpus(4); }, "excluded_gpus[0] | 4 | must be from 0 to 3"},
      {"DrainingTwice",
       [](auto& r) {
         r.add_draining_gpus(1);
         r.add_draining_gpus(1);
       },
       "draining_gpus[1] | 1 | must not be listed twice"},
      {"MillionsExcluded", [](auto& r) { r.mutable_excluded_gpus()->Resize(3'000'000, 1); },
       "excluded_gpus | 3000000 entries | must be at most 4"},
      {"MillionsDraining", [](auto& r) { r.mutable_draining_gpus()->Resize(3'000'000, 1); },
       "draining_gpus | 3000000 entries | must be at most 4"},
      {"ExcludedAndDraining",
       [](auto& r) {
         r.add_excluded_gpus(1);
         r.add_draining_gpus(1);
       },
       "draining_gpus | 1 | must not be in excluded_gpus too"},
  };
}

std::vector<BadRequestCase> LoadCases() {
  return {
      {"NoSamples", [](auto& r) { r.clear_samples(); }, "samples | 0 samples | must be from 1 to 64"},
      {"TooManySamples",
       [](auto& r) {
         for (int i = 0; i < 64; ++i) *r.add_samples() = r.samples(0);
       },
       "samples | 65 samples | must be from 1 to 64"},
      {"NoLayers", [](auto& r) { r.mutable_samples(0)->clear_layers(); },
       "samples[0].layers | 0 layers | must be from 1 to 256"},
      {"TooManyLayers",
       [](auto& r) {
         for (int i = 5; i < 260; ++i) r.mutable_samples(0)->add_layers()->set_model_layer(i);
       },
       "samples[0].layers | 257 layers | must be from 1 to 256"},
      {"TooManyExperts", [](auto& r) { Layer(r, 0).mutable_tokens()->Resize(4097, 1); },
       "samples[0].layers[0].tokens | 4097 experts | must be from 1 to 4096"},
      {"NegativeLayer", [](auto& r) { Layer(r, 1).set_model_layer(-1); },
       "samples[0].layers[1].model_layer | -1 | must be at least 0"},
      {"DuplicateLayer", [](auto& r) { Layer(r, 1).set_model_layer(3); },
       "samples[0].layers[1].model_layer | 3 | must not be that of layers[0] too"},
      {"RaggedLayer", [](auto& r) { Layer(r, 1).add_tokens(1); },
       "samples[0].layers[1].tokens | 9 entries | must be the number of experts, 8"},
      {"NoTokens", [](auto& r) { Layer(r, 1).clear_tokens(); },
       "samples[0].layers[1].tokens | none | exactly one of tokens and slot_tokens must be given"},
      {"BothTokens", [](auto& r) { Layer(r, 1).mutable_slot_tokens()->Resize(12, 1); },
       "samples[0].layers[1].tokens | beside slot_tokens | exactly one of tokens and slot_tokens must be given"},
      {"SumOverflows", [](auto& r) { Layer(r, 1).set_tokens(7, kTwoTo53); },
       "samples[0].layers[1].tokens[7] | 9007199254740992 | the layer must sum to at most 2^53"},
      {"TokenOverflows", [](auto& r) { Layer(r, 0).set_tokens(0, std::numeric_limits<std::uint64_t>::max()); },
       "samples[0].layers[0].tokens[0] | 18446744073709551615 | the layer must sum to at most 2^53"},
      {"NegativeWeight", [](auto& r) { r.mutable_samples(0)->set_weight(-0.5); },
       "samples[0].weight | -0.5 | must be from 0 to 2^53"},
      {"NanWeight", [](auto& r) { r.mutable_samples(0)->set_weight(std::numeric_limits<double>::quiet_NaN()); },
       "samples[0].weight | nan | must be from 0 to 2^53"},
      {"WeightsThatSumToInfinity", [](auto& r) { r.mutable_samples(0)->set_weight(1.7e308); },
       "samples[0].weight | 1.7e+308 | must be from 0 to 2^53"},
      {"UnknownPhase", [](auto& r) { r.mutable_samples(0)->set_phase(static_cast<v1::Phase>(3)); },
       "samples[0].phase | 3 | must be a known phase"},
      {"AllWeightsZero", [](auto& r) { r.mutable_samples(0)->set_weight(0); },
       "samples | all of weight 0 | at least one must have a weight above 0"},
      {"SecondSampleShorter",
       [](auto& r) {
         *r.add_samples() = r.samples(0);
         r.mutable_samples(1)->mutable_layers()->RemoveLast();
       },
       "samples[1].layers | 1 layers | must have as many as samples[0], 2"},
      {"SecondSampleInOtherOrder",
       [](auto& r) {
         *r.add_samples() = r.samples(0);
         r.mutable_samples(1)->mutable_layers(0)->set_model_layer(9);
       },
       "samples[1].layers[0].model_layer | 9 | must be that of samples[0].layers[0], 3"},
      {"SlotTokensWithoutCurrent",
       [](auto& r) {
         Layer(r, 1).clear_tokens();
         Layer(r, 1).mutable_slot_tokens()->Resize(12, 1);
       },
       "samples[0].layers[1].slot_tokens |  | needs the current placement in `current`"},
      {"OnlySlotTokensWithoutCurrent",
       [](auto& r) {
         for (int layer : {0, 1}) {
           Layer(r, layer).clear_tokens();
           Layer(r, layer).mutable_slot_tokens()->Resize(12, 1);
         }
       },
       "samples[0].layers[0].slot_tokens |  | needs the current placement in `current`"},
      {"SlotTokensTooShort",
       [](auto& r) {
         Layer(r, 0).clear_tokens();
         Layer(r, 0).mutable_slot_tokens()->Resize(11, 1);
       },
       "samples[0].layers[0].slot_tokens | 11 entries | must be the number of slots, 12", true},
      {"TokensOnAnEmptySlot",
       [](auto& r) {
         Layer(r, 0).clear_tokens();
         Layer(r, 0).mutable_slot_tokens()->Resize(12, 1);
         Current(r, 0).set_physical_to_logical(2, -1);
       },
       "samples[0].layers[0].slot_tokens[2] | 1 | must be 0, as the slot is empty in `current`", true},
  };
}

std::vector<BadRequestCase> PlacementAndOptionCases() {
  return {
      {"CurrentTooFewLayers", [](auto& r) { r.mutable_current()->RemoveLast(); }, "current | 1 layers | must be 2",
       true},
      {"CurrentOtherLayer", [](auto& r) { Current(r, 1).set_model_layer(7); },
       "current[1].model_layer | 7 | must be 4, in the order of the loads", true},
      {"CurrentTooFewSlots", [](auto& r) { Current(r, 0).mutable_physical_to_logical()->RemoveLast(); },
       "current[0].physical_to_logical | 11 entries | must be the number of slots, 12", true},
      {"CurrentUnknownExpert", [](auto& r) { Current(r, 0).set_physical_to_logical(2, 8); },
       "current[0].physical_to_logical[2] | 8 | must be from -1 (empty) to 7", true},
      {"CurrentBelowEmpty", [](auto& r) { Current(r, 0).set_physical_to_logical(2, -2); },
       "current[0].physical_to_logical[2] | -2 | must be from -1 (empty) to 7", true},
      {"CurrentMissesAnExpert",
       [](auto& r) {
         for (int& expert : *Current(r, 1).mutable_physical_to_logical()) expert = expert == 5 ? 6 : expert;
       },
       "current[1].physical_to_logical |  | must hold every expert: 1 missing, the first is expert 5", true},
      {"UnknownPolicy", [](auto& r) { r.mutable_options()->set_policy(static_cast<v1::Policy>(77)); },
       "options.policy | 77 | must be a known policy"},
      {"NegativeWork", [](auto& r) { r.mutable_options()->set_work_limit(-1); },
       "options.work_limit | -1 | must be from 0 to 10000000"},
      {"TooMuchWork", [](auto& r) { r.mutable_options()->set_work_limit(10'000'001); },
       "options.work_limit | 10000001 | must be from 0 to 10000000"},
      {"NegativeBudget", [](auto& r) { r.mutable_options()->mutable_budget()->set_per_layer(-1); },
       "options.budget.per_layer | -1 | must be at least 0", true},
      {"BudgetWithoutCurrent", [](auto& r) { r.mutable_options()->mutable_budget()->set_total(3); },
       "options.budget |  | needs the current placement in `current`"},
      {"ForceWithSamples", [](auto& r) { r.set_force(true); },
       "force | true | must be false with samples: nothing is published"},
      {"GateWithoutCurrent", [](auto& r) { r.mutable_options()->mutable_gate(); },
       "options.gate |  | needs the current placement in `current`"},
      {"GateWithoutTime", [](auto& r) { r.mutable_options()->mutable_gate()->mutable_horizon()->set_seconds(0); },
       "options.gate.horizon | 0 | must be above 0", true},
      {"GateWithNegativeRate",
       [](auto& r) { r.mutable_options()->mutable_gate()->set_inter_node_bytes_per_second(-1); },
       "options.gate.inter_node_bytes_per_second | -1 | must be from 0 to 1e+15", true},
      {"NegativeTransfers", [](auto& r) { r.mutable_options()->set_max_transfers_per_gpu(-1); },
       "options.max_transfers_per_gpu | -1 | must be from 0 to 65536"},
      {"WorkLimitWithAReferencePolicy",
       [](auto& r) {
         r.mutable_options()->set_policy(v1::POLICY_GLOBAL);
         r.mutable_options()->set_work_limit(9);
       },
       "options.work_limit | 9 | needs the optimized policy"},
      {"BudgetWithAReferencePolicy",
       [](auto& r) {
         r.mutable_options()->set_policy(v1::POLICY_GLOBAL);
         r.mutable_options()->mutable_budget()->set_total(3);
       },
       "options.budget |  | needs the optimized policy", true},
      {"GateWithAReferencePolicy",
       [](auto& r) {
         r.mutable_options()->set_policy(v1::POLICY_GLOBAL);
         r.mutable_options()->mutable_gate();
       },
       "options.gate |  | needs the optimized policy", true},
      {"GroupsWithTheGlobalPolicy",
       [](auto& r) {
         r.mutable_options()->set_policy(v1::POLICY_GLOBAL);
         r.mutable_options()->set_honour_groups(true);
       },
       "options.honour_groups | true | must be false with the global policy, which ignores groups"},
      {"ReplicasWithAReferencePolicy",
       [](auto& r) {
         r.mutable_options()->set_policy(v1::POLICY_GLOBAL);
         r.mutable_constraints()->set_min_replicas(2);
       },
       "constraints.min_replicas | 2 | needs the optimized policy"},
      {"SlotBudgetWithAReferencePolicy",
       [](auto& r) {
         r.mutable_options()->set_policy(v1::POLICY_GLOBAL);
         for (int i = 0; i < 2; ++i) r.mutable_constraints()->add_slot_budget_per_layer(10);
       },
       "constraints.slot_budget_per_layer | 2 | needs the optimized policy"},
      {"WorkLimitWithABudget",
       [](auto& r) {
         r.mutable_options()->set_work_limit(9);
         r.mutable_options()->mutable_budget()->set_total(3);
       },
       "options.work_limit | 9 | must be 0 with a budget or a gate, which bound the plan", true},
      {"SharesTooFew", [](auto& r) { Current(r, 0).add_slot_shares(1); },
       "current[0].slot_shares | 1 entries | must be the number of slots, 12, or none", true},
      {"SharesThatDoNotAddUp", [](auto& r) { Current(r, 1).mutable_slot_shares()->Resize(12, 0.25); },
       "current[1].slot_shares | sum 0.5 for expert 0 | must add up to 1 for each expert", true},
      {"NegativeBytes", [](auto& r) { r.set_bytes_per_expert(-1); },
       "bytes_per_expert | -1 | must be from 0 to 274877906944"},
      {"BytesWhoseSumOverflows", [](auto& r) { r.set_bytes_per_expert(std::int64_t{1} << 62); },
       "bytes_per_expert | 4611686018427387904 | must be from 0 to 274877906944"},
      {"TooManyReplicas", [](auto& r) { r.mutable_constraints()->set_min_replicas(5); },
       "constraints.min_replicas | 5 | must be from 0 to 4"},
      {"TooManyNodesPerExpert", [](auto& r) { r.mutable_constraints()->set_min_nodes_per_expert(2); },
       "constraints.min_nodes_per_expert | 2 | must be from 0 to 1"},
      {"SlotBudgetTooShort", [](auto& r) { r.mutable_constraints()->add_slot_budget_per_layer(12); },
       "constraints.slot_budget_per_layer | 1 entries | must be the number of layers, 2, or none"},
      {"SlotBudgetBelowExperts",
       [](auto& r) {
         r.mutable_constraints()->add_slot_budget_per_layer(12);
         r.mutable_constraints()->add_slot_budget_per_layer(7);
       },
       "constraints.slot_budget_per_layer[1] | 7 | must be from 8 to 12"},
      {"NegativeRoutingEntries", [](auto& r) { r.set_max_routing_entries(-1); },
       "max_routing_entries | -1 | must be at least 0"},
      {"LongRequestId", [](auto& r) { r.set_request_id(std::string(129, 'x')); },
       "request_id | 129 bytes | must be at most 128"},
  };
}

void PrintTo(const BadRequestCase& bad, std::ostream* out) { *out << bad.name; }

class BadRequestTest : public ::testing::TestWithParam<BadRequestCase> {};

TEST_P(BadRequestTest, IsNamedWithValueAndBound) {
  v1::RebalanceRequest request = MakeRequest();
  if (GetParam().with_current) AddContiguousCurrent(request);
  ASSERT_TRUE(ReadRebalanceRequest(request, {}, {}).ok());
  GetParam().break_it(request);

  const absl::Status status = ReadRebalanceRequest(request, {}, {}).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(FieldErrorTexts(status), ElementsAre(GetParam().error));
}

// 2 layers of 8 experts: an answer has at least a byte for each slot and each expert.
TEST(RebalanceRequestTest, WhatCannotBeAnsweredIsRefusedBeforeItIsPlanned) {
  const v1::RebalanceRequest plain = MakeRequest();
  EXPECT_TRUE(ReadRebalanceRequest(plain, {}, {.max_answer_bytes = 40}).ok());
  EXPECT_THAT(FieldErrorTexts(ReadRebalanceRequest(plain, {}, {.max_answer_bytes = 39}).status()),
              ElementsAre("topology.num_slots | 12 | must be at most 11 in each of 2 layers: the answer must fit into "
                          "39 bytes"));
  v1::RebalanceRequest with_shares = plain;
  with_shares.mutable_options()->set_traffic_shares(true);
  EXPECT_FALSE(ReadRebalanceRequest(with_shares, {}, {.max_answer_bytes = 231}).ok());
  EXPECT_TRUE(ReadRebalanceRequest(with_shares, {}, {.max_answer_bytes = 232}).ok());
  v1::RebalanceRequest with_map = plain;
  with_map.set_max_routing_entries(4);
  EXPECT_FALSE(ReadRebalanceRequest(with_map, {}, {.max_answer_bytes = 71}).ok());
  EXPECT_TRUE(ReadRebalanceRequest(with_map, {}, {.max_answer_bytes = 72}).ok());
}

std::string CaseName(const ::testing::TestParamInfo<BadRequestCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Topology, BadRequestTest, ::testing::ValuesIn(TopologyCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Loads, BadRequestTest, ::testing::ValuesIn(LoadCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(PlacementAndOptions, BadRequestTest, ::testing::ValuesIn(PlacementAndOptionCases()), CaseName);

}  // namespace
}  // namespace eplb
