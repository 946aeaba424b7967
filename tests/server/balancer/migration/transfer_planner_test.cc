#include "server/balancer/migration/transfer_planner.h"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/migration/slot_arrangement.h"
#include "server/base/field_errors.h"
#include "tests/server/balancer/migration/random_layers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using Layer = std::vector<std::int32_t>;

std::vector<Transfer> Plan(const Topology& topology, int experts, const Layer& from, const Layer& to,
                           const TransferOptions& options = {}) {
  const auto transfers = PlanTransfers(OneLayer(experts, from), OneLayer(experts, to), topology, options);
  EXPECT_TRUE(transfers.ok()) << transfers.status();
  return transfers.value_or(std::vector<Transfer>());
}

auto IsTransfer(std::int32_t expert, std::int32_t source, std::int32_t target, std::int32_t step) {
  return AllOf(Field(&Transfer::expert, expert), Field(&Transfer::source_slot, source),
               Field(&Transfer::target_slot, target), Field(&Transfer::step, step));
}

std::vector<std::int32_t> UsableReplicas(const Topology& topology, const Layer& slots, int experts) {
  Layer usable = slots;
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    if (topology.excluded(topology.gpu_of_slot(slot))) usable[Index(slot)] = kEmptySlot;
  }
  return CountReplicas(usable, experts);
}

// What one GPU has under way in one step.
struct Traffic {
  int staged = 0;
  int sent = 0;
  int received = 0;
};

// Applies the transfers as a worker would and checks every promise of PlanTransfers on the way.
void ExpectWayIsValid(const Topology& topology, int experts, const Layer& from, const Layer& to,
                      const TransferOptions& options, const std::vector<Transfer>& transfers) {
  const std::vector<std::int32_t> at_first = UsableReplicas(topology, from, experts);
  const std::vector<std::int32_t> at_last = UsableReplicas(topology, to, experts);
  Layer slots = from;
  std::int32_t step = 0;
  for (auto begin = transfers.begin(); begin != transfers.end(); ++step) {
    const auto end = std::find_if(begin, transfers.end(), [&](const Transfer& t) { return t.step != step; });
    ASSERT_NE(begin, end) << "step " << step << " is missing";
    const Layer before = slots;
    std::map<int, Traffic> traffic;
    for (auto transfer = begin; transfer != end; ++transfer) {
      const int target = topology.gpu_of_slot(transfer->target_slot);
      ASSERT_FALSE(topology.excluded(target));
      slots[Index(transfer->target_slot)] = transfer->expert;
      ++traffic[target].staged;
      if (transfer->source_slot == kEmptySlot) {
        for (std::size_t slot = 0; slot < before.size(); ++slot) {
          ASSERT_FALSE(before[slot] == transfer->expert &&
                       topology.can_send(topology.gpu_of_slot(static_cast<int>(slot))))
              << "slot " << slot << " could have sent it";
        }
        continue;
      }
      const int source = topology.gpu_of_slot(transfer->source_slot);
      ASSERT_EQ(before[Index(transfer->source_slot)], transfer->expert) << "not held before step " << step;
      ASSERT_TRUE(topology.can_send(source));
      traffic[target].received += source != target;
      traffic[source].sent += source != target;
    }
    for (const auto& [gpu, busy] : traffic) {
      const TransferLimits& limits = options.limits;
      EXPECT_TRUE(limits.max_staged_per_gpu == 0 || busy.staged <= limits.max_staged_per_gpu);
      EXPECT_TRUE(limits.max_sent_per_gpu == 0 || busy.sent <= limits.max_sent_per_gpu);
      EXPECT_TRUE(limits.max_received_per_gpu == 0 || busy.received <= limits.max_received_per_gpu);
    }
    const std::vector<std::int32_t> now = UsableReplicas(topology, slots, experts);
    for (std::size_t expert = 0; expert < now.size(); ++expert) {
      ASSERT_GE(now[expert], std::min({options.min_replicas, at_first[expert], at_last[expert]}))
          << "expert " << expert << " after step " << step;
    }
    begin = end;
  }
  // Then the slots that are to be empty are emptied.
  for (std::size_t slot = 0; slot < to.size(); ++slot) {
    if (to[slot] == kEmptySlot) slots[slot] = kEmptySlot;
  }
  EXPECT_EQ(slots, to);
}

TEST(PlanTransfers, NothingChangedNothingMoves) {
  EXPECT_TRUE(Plan(MakeTopology({.num_gpus = 2, .num_slots = 4}), 3, {0, 1, 2, 0}, {0, 1, 2, 0}).empty());
}

TEST(PlanTransfers, SwapOfTwoUnreplicatedExpertsIsOneStep) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 2});
  EXPECT_THAT(Plan(topology, 2, {0, 1}, {1, 0}), ElementsAre(IsTransfer(1, 1, 0, 0), IsTransfer(0, 0, 1, 0)));
}

TEST(PlanTransfers, ReplicaIsOverwrittenInAStepOfItsOwn) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 3});
  EXPECT_THAT(Plan(topology, 2, {0, 0, 1}, {0, 1, 1}), ElementsAre(IsTransfer(1, 2, 1, 0)));
}

TEST(PlanTransfers, StepsAreNumberedOverAllLayers) {
  const Topology topology = MakeTopology({.num_gpus = 3, .num_slots = 3});
  const auto from = *Placement::Create(3, 2, 3, {0, 0, 1, 0, 1, 1, 0, 0, 1});
  const auto to = *Placement::Create(3, 2, 3, {0, 1, 1, 0, 1, 1, 1, 0, 1});
  EXPECT_THAT(*PlanTransfers(from, to, topology, {}),
              ElementsAre(Transfer{.layer = 0, .expert = 1, .source_slot = 2, .target_slot = 1, .step = 0},
                          Transfer{.layer = 2, .expert = 1, .source_slot = 2, .target_slot = 0, .step = 1}));
}

TEST(PlanTransfers, NearestHolderSends) {
  // GPUs 0 1 | 2 3 on two nodes, two slots each; GPU 3 is to get a second expert in each case.
  const Topology topology = MakeTopology({.num_gpus = 4, .num_nodes = 2, .num_slots = 8});
  EXPECT_THAT(Plan(topology, 3, {0, 2, 0, 1, 0, 1, 0, -1}, {0, 2, 0, 1, 0, 1, 0, 0}),
              ElementsAre(IsTransfer(0, 6, 7, 0)))
      << "the same GPU";
  EXPECT_THAT(Plan(topology, 3, {0, 1, 0, 1, 0, 1, 2, -1}, {0, 1, 0, 1, 0, 1, 2, 1}),
              ElementsAre(IsTransfer(1, 5, 7, 0)))
      << "the same node";
  EXPECT_THAT(Plan(topology, 3, {0, 1, 2, 1, 0, 0, 0, -1}, {0, 1, 2, 1, 0, 0, 0, 1}),
              ElementsAre(IsTransfer(1, 1, 7, 0)))
      << "elsewhere, the lowest slot";
}

TEST(PlanTransfers, SendersTakeTurns) {
  const Topology topology = MakeTopology({.num_gpus = 4, .num_slots = 4});
  EXPECT_THAT(Plan(topology, 1, {0, 0, -1, -1}, {0, 0, 0, 0}),
              ElementsAre(IsTransfer(0, 0, 2, 0), IsTransfer(0, 1, 3, 1)));
}

TEST(PlanTransfers, DrainingGpuSendsAndADeadOneDoesNot) {
  // GPU 2, on the node of GPU 3, holds 1 and the only replica of 2.
  const Layer from = {0, 1, 0, -1, 1, 2, 0, -1};
  const Layer to = {0, 1, 0, 2, -1, -1, 0, 1};
  const Topology dead = MakeTopology({.num_gpus = 4, .num_nodes = 2, .num_slots = 8, .excluded_gpus = {2}});
  EXPECT_THAT(Plan(dead, 3, from, to), ElementsAre(IsTransfer(2, -1, 3, 0), IsTransfer(1, 1, 7, 1)));
  const Topology draining =
      MakeTopology({.num_gpus = 4, .num_nodes = 2, .num_slots = 8, .excluded_gpus = {2}, .draining_gpus = {2}});
  EXPECT_THAT(Plan(draining, 3, from, to), ElementsAre(IsTransfer(2, 5, 3, 0), IsTransfer(1, 4, 7, 1)));
}

TEST(PlanTransfers, ReportsWhatCannotBe) {
  const Topology topology = MakeTopology({.num_gpus = 2, .num_slots = 4, .excluded_gpus = {1}});
  const Placement from = OneLayer(2, {0, 1, 0, 1});
  const absl::Status on_excluded = PlanTransfers(from, from, topology, {}).status();
  EXPECT_EQ(on_excluded.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(FieldErrorsOf(on_excluded), testing::Contains(FieldError{"placement.layers[0].physical_to_logical[2]",
                                                                       "0", "must be empty: GPU 1 is excluded"}));
  EXPECT_THAT(std::string(PlanTransfers(from, OneLayer(1, {0, 0}), topology, {}).status().message()),
              HasSubstr("1 experts: must be 2"));
  EXPECT_THAT(std::string(PlanTransfers(from, from, topology, {.min_replicas = 0}).status().message()),
              HasSubstr("min_replicas: 0: must be at least 1"));
}

TEST(PlanTransfers, SwapWithinOneGpuNeedsTwoStaged) {
  const Topology topology = MakeTopology({.num_gpus = 1, .num_slots = 2});
  const absl::Status status =
      PlanTransfers(OneLayer(2, {0, 1}), OneLayer(2, {1, 0}), topology, {.limits = {.max_staged_per_gpu = 1}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("within GPU 0"));
}

TEST(PlanTransfers, EveryWayIsValidOnRandomLayers) {
  std::mt19937_64 random(31);
  for (int round = 0; round < 1500; ++round) {
    const Topology topology = RandomTopology(random, 7, 6);
    const int experts = RandomInt(random, 1, topology.num_usable_slots());
    const Layer from = RandomLayer(random, topology, experts, RandomInt(random, 0, 1) * 4, true);
    const Layer to = RandomLayer(random, topology, experts, RandomInt(random, 0, 1) * 4);
    TransferOptions options{.min_replicas = RandomInt(random, 1, 3)};
    // A swap within a GPU needs 2.
    if (RandomInt(random, 0, 1) == 1) options.limits.max_staged_per_gpu = RandomInt(random, 2, 4);
    if (RandomInt(random, 0, 2) == 1) options.limits.max_sent_per_gpu = RandomInt(random, 2, 4);
    if (RandomInt(random, 0, 2) == 1) options.limits.max_received_per_gpu = RandomInt(random, 2, 4);
    ExpectWayIsValid(topology, experts, from, to, options, Plan(topology, experts, from, to, options));
  }
}

TEST(PlanTransfers, ArrangedLayersMoveNothingWithinAGpuAndKeepALimitOfOne) {
  std::mt19937_64 random(32);
  const TransferOptions options{.limits = {.max_staged_per_gpu = 1, .max_sent_per_gpu = 1, .max_received_per_gpu = 1}};
  int cuts = 0;
  for (int round = 0; round < 800; ++round) {
    const Topology topology = RandomTopology(random, 6, 5);
    // Hardly a slot to spare, so that there are long cycles.
    const int experts = std::max(1, topology.num_usable_slots() - RandomInt(random, 0, 2));
    const Layer from = RandomLayer(random, topology, experts, 0);
    Layer to = RandomLayer(random, topology, experts, 0);
    SlotArrangement(topology, experts).Run(from, to, to);
    const std::vector<Transfer> limited = Plan(topology, experts, from, to, options);
    ExpectWayIsValid(topology, experts, from, to, options, limited);
    const std::vector<Transfer> free = Plan(topology, experts, from, to);
    ExpectWayIsValid(topology, experts, from, to, {}, free);
    const TransferCounts counts = CountTransfers(free, topology);
    const int twins = CountTwins(to, topology);
    EXPECT_LE(counts.within_gpu, twins);
    EXPECT_GE(counts.transfers, CountFetches(from, to, topology));
    EXPECT_LE(counts.transfers, CountFetches(from, to, topology) + twins);
    cuts += limited.size() > free.size() ? 1 : 0;
  }
  EXPECT_GT(cuts, 100) << "the rounds should include cycles past the limit";
}

TEST(CountTransfers, TellsNearFromFar) {
  const Topology topology = MakeTopology({.num_gpus = 4, .num_nodes = 2, .num_slots = 8, .excluded_gpus = {3}});
  const std::vector<Transfer> transfers = {{.source_slot = 0, .target_slot = 1},
                                           {.source_slot = 2, .target_slot = 1},
                                           {.source_slot = 6, .target_slot = 4},
                                           {.source_slot = -1, .target_slot = 4},
                                           {.source_slot = 4, .target_slot = 1}};
  const TransferCounts counts = CountTransfers(transfers, topology);
  EXPECT_EQ(counts.transfers, 5);
  EXPECT_EQ(counts.within_gpu, 1);
  EXPECT_EQ(counts.within_node, 2);
  EXPECT_EQ(counts.across_nodes, 1);
  EXPECT_EQ(counts.no_source, 1);
}

}  // namespace
}  // namespace eplb
