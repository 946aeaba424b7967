// What the options of a Rebalance with loads do to its answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "server/balancer/balance_metrics.h"
#include "tests/support/in_process_server.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;

class RebalanceOptionsTest : public ::testing::Test {
 protected:
  v1::RebalanceResponse Plan(const v1::RebalanceRequest& request) {
    grpc::ClientContext context;
    v1::RebalanceResponse response;
    const grpc::Status status = stub_->Rebalance(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static v1::RebalanceRequest Request() {
    v1::RebalanceRequest request =
        MakeRequest({.layers = 4, .experts = 32, .slots = 48, .gpus = 8, .nodes = 2, .seed = 7});
    AddContiguousCurrent(request);
    return request;
  }

  InProcessServer server_;
  std::unique_ptr<v1::EplbService::Stub> stub_ = server_.NewStub();
};

bool IsCurrent(const v1::RebalanceRequest& request, const v1::RebalanceResponse& response) {
  for (int layer = 0; layer < request.current_size(); ++layer) {
    if (!std::ranges::equal(request.current(layer).physical_to_logical(),
                            response.layers(layer).physical_to_logical())) {
      return false;
    }
  }
  return true;
}

TEST_F(RebalanceOptionsTest, AGateTakesOnlyWhatGainsMoreThanItCosts) {
  v1::RebalanceRequest request = Request();
  v1::GateOptions& gate = *request.mutable_options()->mutable_gate();
  gate.mutable_horizon()->set_seconds(3600);
  const v1::RebalanceResponse cheap = Plan(request);
  EXPECT_FALSE(IsCurrent(request, cheap));
  EXPECT_GT(cheap.summary().gain_gpu_seconds(), 1.1 * cheap.summary().cost_gpu_seconds());
  EXPECT_GT(cheap.summary().cost_gpu_seconds(), 0);
  EXPECT_LT(cheap.summary().step_time_after(), cheap.summary().step_time_before());

  gate.set_intra_node_bytes_per_second(1);
  gate.set_inter_node_bytes_per_second(1);
  const v1::RebalanceResponse dear = Plan(request);
  EXPECT_TRUE(IsCurrent(request, dear));
  EXPECT_EQ(dear.summary().unchanged_reason(), v1::UNCHANGED_REASON_GAIN_BELOW_COST);
  EXPECT_EQ(dear.balance(0).unchanged_reason(), v1::UNCHANGED_REASON_GAIN_BELOW_COST);
  EXPECT_EQ(dear.summary().gain_gpu_seconds(), 0);

  gate.set_disabled(true);
  EXPECT_FALSE(IsCurrent(request, Plan(request)));
}

TEST_F(RebalanceOptionsTest, AGateMovesLessTheDearerItIs) {
  v1::RebalanceRequest request = Request();
  v1::GateOptions& gate = *request.mutable_options()->mutable_gate();
  gate.mutable_horizon()->set_seconds(60);
  std::vector<std::int64_t> fetches;
  for (const double rate : {1e15, 4e8, 1e8, 1e3}) {
    gate.set_intra_node_bytes_per_second(rate);
    gate.set_inter_node_bytes_per_second(rate);
    fetches.push_back(Plan(request).summary().fetches());
  }
  EXPECT_TRUE(std::ranges::is_sorted(fetches, std::greater<>())) << ::testing::PrintToString(fetches);
  EXPECT_GT(fetches.front(), fetches.back());
  EXPECT_EQ(fetches.back(), 0);
}

TEST_F(RebalanceOptionsTest, AGateLeavesBalancedLayersAlone) {
  v1::RebalanceRequest request = Request();
  request.mutable_options()->mutable_gate()->set_disabled(true);
  request.mutable_options()->mutable_gate()->set_min_balancedness(0.01);
  const v1::RebalanceResponse response = Plan(request);
  EXPECT_TRUE(IsCurrent(request, response));
  EXPECT_EQ(response.summary().unchanged_reason(), v1::UNCHANGED_REASON_BALANCED_ENOUGH);
  EXPECT_EQ(response.balance(1).unchanged_reason(), v1::UNCHANGED_REASON_BALANCED_ENOUGH);
}

TEST_F(RebalanceOptionsTest, AGateKeepsWithinTheBudget) {
  v1::RebalanceRequest request = Request();
  request.mutable_options()->mutable_gate()->mutable_horizon()->set_seconds(3600);
  request.mutable_options()->mutable_budget()->set_total(5);
  const v1::RebalanceResponse response = Plan(request);
  EXPECT_LE(response.summary().fetches(), 5);
  EXPECT_GT(response.summary().fetches(), 0);
}

// The layer's largest GPU load with a replica for each entry that takes an equal part.
double LoadByEntries(const v1::RebalanceRequest& request, const v1::LayerPlacement& layer, int index) {
  const int slots_per_gpu = request.topology().num_slots() / request.topology().num_gpus();
  std::vector<double> load(static_cast<std::size_t>(request.topology().num_gpus()), 0.0);
  int entry = 0;
  for (int expert = 0; expert < layer.logical_to_physical_count_size(); ++expert) {
    const int count = layer.logical_to_physical_count(expert);
    const auto tokens = static_cast<double>(request.samples(0).layers(index).tokens(expert));
    for (int i = 0; i < count; ++i, ++entry) {
      const int slot = layer.logical_to_physical(entry);
      EXPECT_EQ(layer.physical_to_logical(slot), expert);
      load[static_cast<std::size_t>(slot / slots_per_gpu)] += tokens / count;
    }
  }
  return *std::ranges::max_element(load);
}

TEST_F(RebalanceOptionsTest, TrafficSharesAreAnsweredAndNeverWorseThanEqualOnes) {
  v1::RebalanceRequest request = Request();
  request.mutable_options()->set_policy(v1::POLICY_GLOBAL);  // places leave something for shares to do
  const v1::RebalanceResponse equal = Plan(request);
  request.mutable_options()->set_traffic_shares(true);
  const v1::RebalanceResponse shared = Plan(request);

  EXPECT_EQ(equal.layers(0).slot_shares_size(), 0);
  EXPECT_LT(shared.summary().step_time_after(), equal.summary().step_time_after());
  for (const v1::LayerPlacement& layer : shared.layers()) {
    std::vector<double> sums(32, 0.0);
    ASSERT_EQ(layer.slot_shares_size(), 48);
    for (int slot = 0; slot < 48; ++slot) {
      sums[static_cast<std::size_t>(layer.physical_to_logical(slot))] += layer.slot_shares(slot);
    }
    EXPECT_THAT(sums, Each(::testing::DoubleNear(1.0, 1e-9)));
  }
}

TEST_F(RebalanceOptionsTest, SharesAreRepeatedEntriesForEnginesThatPickEvenly) {
  v1::RebalanceRequest request = Request();
  request.mutable_options()->set_policy(v1::POLICY_GLOBAL);
  request.mutable_options()->set_traffic_shares(true);
  request.set_max_routing_entries(16);
  const v1::RebalanceResponse response = Plan(request);
  double by_entries = 0;
  double equal = 0;
  double best = 0;
  const auto topology = Topology::Create({.num_gpus = 8, .num_slots = 48});
  ASSERT_TRUE(topology.ok());
  BalanceMeter meter(*topology);
  for (int index = 0; index < response.layers_size(); ++index) {
    const v1::LayerPlacement& layer = response.layers(index);
    EXPECT_LE(*std::ranges::max_element(layer.logical_to_physical_count()), 16);
    by_entries += LoadByEntries(request, layer, index);
    const std::vector<std::int32_t> slots(layer.physical_to_logical().begin(), layer.physical_to_logical().end());
    const auto& tokens = request.samples(0).layers(index).tokens();
    equal += meter.Measure(slots, std::vector<double>(tokens.begin(), tokens.end())).max;
    best += response.balance(index).max_gpu_load_after();
  }
  EXPECT_LT(by_entries, equal);
  EXPECT_LT((by_entries - best) / best, 0.02) << "whole numbers of at most 16 come near the shares";
}

TEST_F(RebalanceOptionsTest, SharesInForceCountInWhatWasBefore) {
  v1::RebalanceRequest request = Request();
  const double equal = Plan(request).summary().step_time_before();
  for (v1::LayerPlacement& layer : *request.mutable_current()) {
    std::map<int, int> first;  // all of an expert's traffic goes to its first slot
    for (int slot = 0; slot < layer.physical_to_logical_size(); ++slot) {
      layer.add_slot_shares(first.emplace(layer.physical_to_logical(slot), slot).second ? 1.0 : 0.0);
    }
  }
  EXPECT_NE(Plan(request).summary().step_time_before(), equal);
}

TEST_F(RebalanceOptionsTest, TransfersKeepWithinTheirLimit) {
  v1::RebalanceRequest request = Request();
  for (const int limit : {1, 2}) {
    request.mutable_options()->set_max_transfers_per_gpu(limit);
    std::map<std::tuple<int, int>, int> received;  // step, GPU
    const v1::RebalanceResponse response = Plan(request);
    for (const v1::Transfer& transfer : response.transfers()) {
      const int gpu = transfer.target_slot() / 6;
      EXPECT_LE(++received[std::make_tuple(transfer.step(), gpu)], limit);
    }
    EXPECT_FALSE(received.empty());
  }
}

TEST_F(RebalanceOptionsTest, DrainingGpusAreSourcesAndDeadOnesAreNot) {
  v1::RebalanceRequest request = Request();
  const auto sources_on_first_gpu = [](const v1::RebalanceResponse& response) {
    return std::ranges::count_if(response.transfers(), [](const v1::Transfer& transfer) {
      return transfer.source_slot() >= 0 && transfer.source_slot() < 6;
    });
  };
  request.add_excluded_gpus(0);
  const v1::RebalanceResponse dead = Plan(request);
  request.clear_excluded_gpus();
  request.add_draining_gpus(0);
  const v1::RebalanceResponse draining = Plan(request);

  EXPECT_EQ(sources_on_first_gpu(dead), 0);
  EXPECT_GT(sources_on_first_gpu(draining), 0);
  for (const v1::LayerPlacement& layer : draining.layers()) {
    EXPECT_THAT(std::vector<int>(layer.physical_to_logical().begin(), layer.physical_to_logical().begin() + 6),
                Each(-1));
  }
}

TEST_F(RebalanceOptionsTest, UnstableSlotsHaveThePublishedNumbering) {
  v1::RebalanceRequest request = Request();
  request.mutable_options()->set_policy(v1::POLICY_GLOBAL);
  request.mutable_options()->set_max_transfers_per_gpu(48);
  request.mutable_constraints()->set_stable_local_slots(false);
  const v1::RebalanceResponse with_current = Plan(request);
  request.clear_current();
  const v1::RebalanceResponse from_nothing = Plan(request);
  for (int layer = 0; layer < with_current.layers_size(); ++layer) {
    EXPECT_THAT(with_current.layers(layer).physical_to_logical(),
                ElementsAreArray(from_nothing.layers(layer).physical_to_logical()));
  }
}

TEST_F(RebalanceOptionsTest, StableSlotsKeepWhatStaysOnItsGpu) {
  v1::RebalanceRequest request = Request();
  request.mutable_options()->set_policy(v1::POLICY_GLOBAL);
  const v1::RebalanceResponse response = Plan(request);
  for (int layer = 0; layer < response.layers_size(); ++layer) {
    const auto& before = request.current(layer).physical_to_logical();
    const auto& after = response.layers(layer).physical_to_logical();
    for (int slot = 0; slot < before.size(); ++slot) {
      const auto copies = [&](const auto& slots) {
        const auto first = slots.begin() + slot / 6 * 6;
        return std::count(first, first + 6, before[slot]);
      };
      const bool stays = copies(after) >= copies(before);
      EXPECT_TRUE(!stays || after[slot] == before[slot]) << "layer " << layer << ", slot " << slot;
    }
  }
}

}  // namespace
}  // namespace eplb
