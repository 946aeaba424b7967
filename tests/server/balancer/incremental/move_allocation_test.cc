#include "server/balancer/incremental/move_allocation.h"

#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

Move Balance(int fetches, double gain) { return {.num_changes = fetches, .fetches = fetches, .gain = gain}; }

LayerMoves Layer(std::vector<Move> moves) { return {.moves = std::move(moves), .exhausted = true}; }

TEST(MoveAllocation, TheBudgetGoesToTheLayersThatGainMost) {
  const std::vector<LayerMoves> layers = {Layer({Balance(1, 10), Balance(1, 1)}), Layer({Balance(1, 8), Balance(1, 7)}),
                                          Layer({Balance(1, 2)})};
  const MoveAllocation allocation = AllocateMoves(layers, 3, {});
  EXPECT_EQ(allocation.taken, (std::vector<int>{1, 2, 0}));
  EXPECT_EQ(allocation.fetches, 3);
}

TEST(MoveAllocation, AMoveThatPaysOnlyWithTheNextCompetesWithTheirMean) {
  // 1 + 19 in two fetches is 10 a fetch: better than 8, though its first move alone is not.
  const std::vector<LayerMoves> layers = {Layer({Balance(1, 8)}), Layer({Balance(1, 1), Balance(1, 19)})};
  EXPECT_EQ(AllocateMoves(layers, 2, {}).taken, (std::vector<int>{0, 2}));
}

TEST(MoveAllocation, AnExchangeThatDoesNotFitLeavesTheRestToOthers) {
  const std::vector<LayerMoves> layers = {Layer({Balance(2, 20), Balance(1, 9)}), Layer({Balance(1, 3)})};
  const MoveAllocation allocation = AllocateMoves(layers, 1, {});
  EXPECT_EQ(allocation.taken, (std::vector<int>{0, 1}));
}

TEST(MoveAllocation, CoverageIgnoresTheBudgetAndRepairsGoBeforeBalance) {
  Move cover = Balance(1, -5);
  cover.urgency = MoveUrgency::kCoverage;
  Move repair = Balance(1, -1);
  repair.urgency = MoveUrgency::kRepair;
  const std::vector<LayerMoves> layers = {Layer({Balance(1, 100)}), Layer({cover, cover, repair, Balance(1, 50)})};
  EXPECT_EQ(AllocateMoves(layers, 0, {}).taken, (std::vector<int>{0, 2}));
  EXPECT_EQ(AllocateMoves(layers, 3, {}).taken, (std::vector<int>{0, 3}));
  EXPECT_EQ(AllocateMoves(layers, 4, {}).taken, (std::vector<int>{1, 3}));
}

TEST(MoveAllocation, LayersWithUnmadeRepairsDoNotBalance) {
  Move repair = Balance(2, -1);
  repair.urgency = MoveUrgency::kRepair;
  const std::vector<LayerMoves> layers = {Layer({repair, Balance(1, 50)})};
  EXPECT_EQ(AllocateMoves(layers, 1, {}).taken, (std::vector<int>{0}));
}

TEST(MoveAllocation, MovesMustEarnTheirPriceAndLayersALittleMore) {
  const std::vector<LayerMoves> layers = {Layer({Balance(1, 30), Balance(1, 12), Balance(1, 9)}),
                                          Layer({Balance(1, 10.5)}), Layer({Balance(2, 23)})};
  const MoveAllocation allocation = AllocateMoves(layers, 100, {.tokens = 10, .hysteresis = 0.1});
  EXPECT_EQ(allocation.taken, (std::vector<int>{2, 0, 1}));
  EXPECT_EQ(allocation.refused_fetches, (std::vector<int>{1, 1, 0}));
}

TEST(MoveAllocation, BeyondTheUsualFetchesOnlyWhatGainsMoreIsTaken) {
  const std::vector<LayerMoves> layers = {Layer({Balance(1, 30), Balance(1, 12), Balance(1, 9)}),
                                          Layer({Balance(1, 10)})};
  EXPECT_EQ(AllocateMoves(layers, 100, {.usual_fetches = 1, .extra_tokens = 11}).taken, (std::vector<int>{2, 0}));
  EXPECT_EQ(AllocateMoves(layers, 100, {.usual_fetches = 3, .extra_tokens = 11}).taken, (std::vector<int>{2, 1}));
  EXPECT_EQ(AllocateMoves(layers, 2, {.usual_fetches = 1, .extra_tokens = 0}).taken, (std::vector<int>{2, 0}));
}

TEST(MoveAllocation, WhatNoiseMayExplainDoesNotPayThePrice) {
  Move sure = Balance(1, 30);
  sure.noise = 4;
  Move unsure = Balance(1, 29);
  unsure.noise = 5;
  const std::vector<LayerMoves> layers = {Layer({sure}), Layer({unsure}), Layer({sure, unsure})};
  const FetchPrice price{.tokens = 10, .noise_margin = 4};
  EXPECT_EQ(AllocateMoves(layers, 100, price).taken, (std::vector<int>{1, 0, 1}));
  EXPECT_EQ(AllocateMoves(layers, 100, price).refused_fetches, (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(AllocateMoves(layers, 100, {.tokens = 10}).taken, (std::vector<int>{1, 1, 2}));
}

}  // namespace
}  // namespace eplb
