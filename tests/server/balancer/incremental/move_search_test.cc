#include "server/balancer/incremental/move_search.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

// One layer that moves are made in one after another, from slots that hold every expert at random, twins among them.
class Layer {
 public:
  Layer(testing::RandomProblems& random, int max_gpus)
      : experts_(random.Int(2, 40)),
        topology_(random.AnyTopology(experts_, max_gpus)),
        slots_(topology_, constraints_, experts_),
        potential_(slots_, random.Int(1, 6)),
        search_(slots_, potential_) {
    std::vector<std::int32_t> row(static_cast<std::size_t>(topology_.num_slots()), kEmptySlot);
    int next = 0;
    for (int slot = 0; slot < topology_.num_slots(); ++slot) {
      if (topology_.excluded(topology_.gpu_of_slot(slot))) continue;
      const int any = random.Int(0, 5) == 0 ? kEmptySlot : random.Int(0, experts_ - 1);
      row[static_cast<std::size_t>(slot)] = next < experts_ ? next++ : any;
    }
    slots_.Load(0, row);
    const int num_samples = random.Int(0, 2) == 0 ? 2 : 1;
    for (int k = 0; k < num_samples; ++k) loads_.push_back(random.Loads(2, experts_));
    std::vector<LayerSample> samples;
    for (const LoadMatrix& loads : loads_) samples.push_back({.loads = loads.layer(0)});
    if (random.Int(0, 1) == 0) samples[0].variance = loads_[0].layer(1);
    potential_.Load(samples);
  }

  LayerSlots& slots() { return slots_; }
  const LoadPotential& potential() const { return potential_; }
  MoveSearch& search() { return search_; }

  void Make(const Move& move) {
    std::vector<std::int32_t> experts;
    std::vector<int> gpus;
    for (int i = 0; i < move.num_changes; ++i) {
      const SlotChange& change = At(move.changes, i);
      gpus.push_back(topology_.gpu_of_slot(change.slot));
      for (const std::int32_t expert : {slots_.expert_in(change.slot), change.expert}) {
        if (expert != kEmptySlot) experts.push_back(expert);
      }
      slots_.Assign(change.slot, change.expert);
    }
    potential_.Refresh(experts, gpus);
  }

  // The gain of the best replacement, by trying every slot with every expert.
  double BestReplacement() {
    double best = 0;
    for (int slot = 0; slot < topology_.num_slots(); ++slot) {
      const int gpu = topology_.gpu_of_slot(slot);
      const std::int32_t dropped = slots_.expert_in(slot);
      if (dropped == kEmptySlot ? slots_.FillableSlot(gpu) != slot : !slots_.MayDrop(slot)) continue;
      for (int expert = 0; expert < experts_; ++expert) {
        if (!slots_.MayPlace(gpu, expert)) continue;
        best = std::max(best, search_.GainOfReplacing(slot, expert));
      }
    }
    return best;
  }

 private:
  const int experts_;
  const Topology topology_;
  const PlacementConstraints constraints_;
  std::vector<LoadMatrix> loads_;
  LayerSlots slots_;
  LoadPotential potential_;
  MoveSearch search_;
};

TEST(MoveSearch, FindsTheBestReplacementMoveAfterMove) {
  testing::RandomProblems random(51);
  int compared = 0;
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE(round);
    Layer layer(random, 8);  // so few that all are hot
    for (int made = 0; made < 6; ++made) {
      const double tolerance = 1e-9 * layer.potential().value();
      const Move move = layer.search().FindBest(1, 0.0);
      EXPECT_GE(move.gain, layer.BestReplacement() - tolerance);
      if (move.num_changes == 1) {
        EXPECT_NEAR(move.gain, layer.search().GainOfReplacing(move.changes[0].slot, move.changes[0].expert), tolerance);
      }
      if (move.gain <= tolerance) break;
      layer.Make(move);
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000);
}

TEST(MoveSearch, FindsTheSameAsASearchThatStartsAfresh) {
  testing::RandomProblems random(52);
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE(round);
    Layer layer(random, 24);
    for (int made = 0; made < 6; ++made) {
      const Move move = layer.search().FindBest(2, 0.0);
      const Move afresh = MoveSearch(layer.slots(), layer.potential()).FindBest(2, 0.0);
      const double tolerance = 1e-9 * layer.potential().value();
      EXPECT_NEAR(move.gain * afresh.fetches, afresh.gain * move.fetches, 2 * tolerance);
      if (move.gain <= tolerance) break;
      layer.Make(move);
    }
  }
}

// Terms keep the scale that they had when the layer was loaded, and gains are in tokens all the same.
TEST(MoveSearch, GainsAreToFirstOrderTheFallOfThePotential) {
  testing::RandomProblems random(53);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    Layer layer(random, 12);
    for (int made = 0; made < 6; ++made) {
      const double before = layer.potential().value();
      const Move move = layer.search().FindBest(2, 0.0);
      if (move.num_changes == 0) break;
      layer.Make(move);
      // The power mean is concave in the sum of its terms, so it falls by more.
      EXPECT_GE(before - layer.potential().value(), move.gain - 1e-9 * before);
    }
  }
}

}  // namespace
}  // namespace eplb
