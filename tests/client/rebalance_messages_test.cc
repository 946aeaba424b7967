#include "client/rebalance_messages.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/rpc/convert/rebalance_request.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

// Property: the server reads from the request exactly what was asked, so that both ways of planning plan alike.
TEST(MakeRebalanceRequestTest, TheServerReadsWhatWasAsked) {
  testing::RandomProblems random(11);
  for (int round = 0; round < 100; ++round) {
    const int layers = random.Int(1, 4);
    const int experts = random.Int(1, 20);
    const int gpus = random.Int(1, 6);
    TopologyOptions topology{.num_gpus = gpus, .num_nodes = random.Int(1, gpus)};
    for (int gpu = 0; gpu < gpus; ++gpu) {
      topology.slots_per_gpu.push_back(experts + random.Int(0, 3));
      topology.num_slots += topology.slots_per_gpu.back();
      topology.gpu_speed.push_back(0.5 + random.Unit());
      topology.node_of_gpu.push_back(gpu % topology.num_nodes);
    }
    if (gpus > 1) topology.excluded_gpus = {random.Int(0, gpus - 1)};
    std::vector<double> tokens;
    for (int i = 0; i < layers * experts; ++i) tokens.push_back(random.Int(0, 1000000));
    const LoadSample sample{.loads = *LoadMatrix::Create(layers, experts, tokens), .weight = 0.25};
    std::vector<int> model_layers;
    for (int layer = 0; layer < layers; ++layer) model_layers.push_back(3 + 2 * layer);
    std::vector<std::int32_t> slots;
    for (int i = 0; i < layers * topology.num_slots; ++i) slots.push_back(i % topology.num_slots % experts);
    const Placement current = *Placement::Create(layers, experts, topology.num_slots, slots);
    const RebalanceQuestion question{
        .model_layers = model_layers,
        .topology = &topology,
        .samples = {&sample, 1},
        .current = &current,
        .constraints = {.min_replicas = 1,
                        .honour_groups = true,
                        .stable_local_slots = random.Int(0, 1) == 1,
                        .slot_budget_per_layer = std::vector<int>(static_cast<std::size_t>(layers), experts)},
        .options = {.policy = Policy::kOptimized,
                    .budget = {.per_layer = random.Int(0, 9), .total = random.Int(0, 9), .bytes = random.Int(0, 9)},
                    .bytes_per_expert = 1 + random.Int(0, 99),
                    .max_transfers_per_gpu = 1 + random.Int(0, 9),
                    .traffic_shares = true},
        .gate = PlanOverrides{.horizon = absl::Seconds(1 + random.Int(0, 99)),
                              .intra_node_bytes_per_second = 1e9 * (1 + random.Int(0, 99)),
                              .hysteresis_ratio = random.Unit(),
                              .min_balancedness = 0.5},
        .max_routing_entries = random.Int(0, 99)};

    const auto input = ReadRebalanceRequest(MakeRebalanceRequest(question), {}, {});

    ASSERT_TRUE(input.ok()) << input.status();
    EXPECT_EQ(input->topology, *Topology::Create(topology));
    EXPECT_EQ(input->model_layers, model_layers);
    ASSERT_EQ(input->samples.size(), 1U);
    EXPECT_EQ(input->samples[0].loads, sample.loads);
    EXPECT_EQ(input->samples[0].weight, sample.weight);
    EXPECT_EQ(input->current, current);
    EXPECT_EQ(input->options.policy, question.options.policy);
    EXPECT_EQ(input->options.max_transfers_per_gpu, question.options.max_transfers_per_gpu);
    EXPECT_EQ(input->options.traffic_shares, question.options.traffic_shares);
    EXPECT_EQ(input->options.budget.per_layer, question.options.budget.per_layer);
    EXPECT_EQ(input->options.budget.total, question.options.budget.total);
    EXPECT_EQ(input->options.budget.bytes, question.options.budget.bytes);
    EXPECT_EQ(input->options.bytes_per_expert, question.options.bytes_per_expert);
    EXPECT_EQ(input->constraints, question.constraints);
    EXPECT_EQ(input->max_routing_entries, question.max_routing_entries);
    ASSERT_TRUE(input->gate);
    EXPECT_EQ(input->gate->horizon, question.gate->horizon);
    EXPECT_EQ(input->gate->intra_node_bytes_per_second, question.gate->intra_node_bytes_per_second);
    EXPECT_EQ(input->gate->inter_node_bytes_per_second, PlanSettings().inter_node_bytes_per_second);
    EXPECT_EQ(input->gate->hysteresis_ratio, question.gate->hysteresis_ratio);
    EXPECT_EQ(input->gate->min_balancedness, question.gate->min_balancedness);
  }
}

}  // namespace
}  // namespace eplb
