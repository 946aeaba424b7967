#include "server/balancer/search/packing_search.h"

#include <algorithm>
#include <limits>

#include "server/balancer/search/twin_repair.h"

namespace eplb {
namespace {

constexpr int kFirstRefolds = 20;
constexpr int kRoundRefolds = 10;
constexpr std::uint64_t kSeed = 0x45504c42;
// Moves without success that stage 4 always allows itself.
constexpr std::int64_t kPatience = 50'000;
constexpr double kLeastImprovement = 1e-7;
constexpr double kNever = std::numeric_limits<double>::infinity();

}  // namespace

void PackingSearch::Place() {
  if (uniform()) {
    first_layout_.Fold(&layout_);
  } else {
    first_layout_.LongestFirst(kNever, &layout_);
  }
  RepairTwins(min_replicas_, &layout_);
}

void PackingSearch::RefoldRounds(int rounds, WorkMeter* work) {
  if (layout_.num_slots == layout_.num_gpus) return;  // one replica each: nothing to combine
  const int largest_lot = std::max(1, least_slots_ / 2);
  for (int round = 0; round < rounds && !work->exhausted(); ++round) {
    const int lot = 1 + random_.Below(largest_lot);
    if (refold_.Round(every_gpu_.span(), lot, &random_, work, &layout_) && layout_.MaxLoad() <= good_enough_) break;
  }
  layout_.RecomputeLoads();
}

void PackingSearch::Relieve(WorkMeter* work) {
  while (!work->exhausted()) {
    const int hottest = layout_.Hottest();
    const double max = layout_.LoadPerSpeed(hottest);
    if (max <= good_enough_) break;
    const Exchange best = scan_.Best(hottest, {}, max - kLeastGain, work, layout_);
    if (best.exists()) {
      layout_.Exchange(best.slot, best.partner);
    } else if (!pairs_.Run(work, &layout_) && !chain_.Run(work, &layout_)) {
      break;
    }
  }
  layout_.RecomputeLoads();
}

void PackingSearch::Improve(int refolds, WorkMeter* work) {
  RefoldRounds(refolds, work);
  Relieve(work);
}

bool PackingSearch::KeepIfBetter() {
  const double max = layout_.MaxLoad();
  if (max >= best_max_ - kLeastImprovement) return false;
  best_ = layout_;
  best_max_ = max;
  return true;
}

void PackingSearch::EnumerateCounts(WorkMeter* work) {
  while (const FlatArray<std::int32_t>* counts = enumeration_.Next()) {
    if (work->exhausted() || GoodEnough()) break;
    work->Charge(layout_.num_slots);
    for (int expert = 0; expert < layout_.num_experts; ++expert) layout_.SetReplicas(expert, (*counts)[expert]);
    if (uniform() && refinement_.Pressure(layout_) >= best_max_) continue;
    work->Charge(4 * layout_.num_slots);
    Place();
    Relieve(work);
    KeepIfBetter();
  }
}

// The walk from where a descent on the maximum ends, then a wilder one from the greedy counts.
void PackingSearch::RefinePairCounts(WorkMeter* work) {
  WorkMeter share(work->left() / 4);
  refinement_.Run(min_replicas_, good_enough_, &share, &layout_);
  work->Charge(share.done());
  const std::int64_t moves = work->left() * 3 / 8;
  for (const PairCounts::Walk& walk : {PairCounts::Walk{.level = 0.9, .tolerance = 1.0, .max_moves = moves},
                                       PairCounts::Walk{.level = 0.5, .tolerance = 1.2, .max_moves = moves}}) {
    if (pair_counts_.Run(walk, min_replicas_, floor_, good_enough_, &random_, work, &layout_) < best_max_) {
      Place();
      Improve(0, work);
      KeepIfBetter();
    }
    if (GoodEnough()) break;
    counts_.Run(min_replicas_, &layout_);
  }
}

void PackingSearch::RefineCounts(WorkMeter* work) {
  // Judging a set of counts takes one move per slot, placing it some thirty; most are not worth placing, but only
  // uniform problems can tell.
  const std::int64_t max_sets = work->left() / ((uniform() ? 2 : 64) * std::int64_t{layout_.num_slots});
  if (enumeration_.Start(min_replicas_, best_max_, max_sets, layout_) <= max_sets) {
    EnumerateCounts(work);
  } else if (uniform() && least_slots_ == 2) {
    RefinePairCounts(work);
  } else if (uniform() && refinement_.Run(min_replicas_, good_enough_, work, &layout_)) {
    Place();
    Improve(kFirstRefolds, work);
    KeepIfBetter();
  }
}

// Gives a random replica's slot to an expert that the GPU lacks.
void PackingSearch::ShiftReplica() {
  for (int attempt = 0; attempt < 32; ++attempt) {
    const int slot = random_.Below(layout_.num_slots);
    const std::int32_t giver = layout_.expert_in[slot];
    const int other = random_.Below(layout_.num_slots);
    const std::int32_t taker = layout_.expert_in[other];
    if (layout_.replicas[giver] <= min_replicas_ || layout_.Holds(layout_.gpu_of[slot], taker)) continue;
    layout_.SetReplicas(giver, layout_.replicas[giver] - 1);
    layout_.SetReplicas(taker, layout_.replicas[taker] + 1);
    layout_.Put(slot, taker);
    layout_.RecomputeLoads();
    return;
  }
}

// A few random exchanges.
void PackingSearch::Shake() {
  const int exchanges = 2 + layout_.num_slots / 32;
  for (int i = 0; i < exchanges; ++i) {
    const int slot = random_.Below(layout_.num_slots);
    const int other = random_.Below(layout_.num_slots);
    if (layout_.gpu_of[slot] != layout_.gpu_of[other] && MayExchange(slot, other, layout_)) {
      layout_.Exchange(slot, other);
    }
  }
}

void PackingSearch::Explore(bool patient, WorkMeter* work) {
  layout_ = best_;
  std::int64_t last_success = work->done();
  for (int round = 0; !work->exhausted() && !GoodEnough(); ++round) {
    if (!patient && work->done() > 2 * last_success + kPatience) break;
    if (round % 3 == 1) Shake();
    if (round % 3 == 2) ShiftReplica();
    Improve(kRoundRefolds, work);
    if (KeepIfBetter()) {
      last_success = work->done();
    } else if (round % 3 != 0) {
      layout_ = best_;
    }
  }
}

// The published greedy's way to place the same counts: where it happens to be better, so is this search.
void PackingSearch::TryLongestFirst() {
  for (int expert = 0; expert < layout_.num_experts; ++expert) {
    if (layout_.replicas[expert] != greedy_counts_[expert]) layout_.SetReplicas(expert, greedy_counts_[expert]);
  }
  if (!first_layout_.LongestFirst(best_max_ - kLeastImprovement, &layout_)) return;
  RepairTwins(min_replicas_, &layout_);
  KeepIfBetter();
}

void PackingSearch::Offer(std::span<const std::int32_t> expert_in, WorkMeter* work) {
  layout_.replicas.Assign(layout_.num_experts, 0);
  layout_.expert_in.Copy(expert_in);
  for (const std::int32_t expert : expert_in) ++layout_.replicas[expert];
  for (int expert = 0; expert < layout_.num_experts; ++expert) layout_.SetReplicas(expert, layout_.replicas[expert]);
  layout_.RecomputeLoads();
  RepairTwins(min_replicas_, &layout_);
  KeepIfBetter();
  Relieve(work);
  KeepIfBetter();
}

void PackingSearch::Run(const PackingProblem& problem, const Settings& settings, WorkMeter* work) {
  random_ = PseudoRandom(kSeed);
  min_replicas_ = problem.min_replicas;
  least_slots_ = *std::ranges::min_element(problem.slots_on);
  layout_.Reset(problem);
  every_gpu_.Resize(layout_.num_gpus);
  for (int gpu = 0; gpu < layout_.num_gpus; ++gpu) every_gpu_[gpu] = gpu;

  counts_.Run(min_replicas_, &layout_);
  greedy_counts_ = layout_.replicas;
  const double heaviest = *std::ranges::max_element(layout_.replica_load);
  floor_ = std::max(1.0, heaviest / *std::ranges::max_element(problem.speed));
  good_enough_ = std::max(settings.enough * layout_.scale, floor_ * (1 + settings.tolerance));
  Place();
  best_ = layout_;
  best_max_ = layout_.MaxLoad();
  Improve(kFirstRefolds, work);
  KeepIfBetter();
  if (!GoodEnough() && !work->exhausted()) RefineCounts(work);
  if (!GoodEnough()) Explore(settings.patient, work);
  if (uniform() && best_max_ > floor_ + kLeastImprovement) TryLongestFirst();
}

}  // namespace eplb
