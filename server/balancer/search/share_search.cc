#include "server/balancer/search/share_search.h"

#include <algorithm>
#include <utility>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {
namespace {

constexpr std::uint64_t kSeed = 0x53484152;
constexpr double kTolerance = 1e-4;       // near enough to the floor, relative
constexpr double kLeastShareGain = 1e-7;  // relative
constexpr double kSameLoad = 1e-9;        // relative
constexpr int kMostValued = 24;           // moves of one step that are valued exactly
constexpr std::int64_t kValueWork = 8;    // moves that valuing a placement counts for, for each slot
// Work without success that is always allowed; beyond it, as much as there was before, unless told to use up all.
constexpr std::int64_t kPatience = 50'000;

}  // namespace

ShareSearch::ShareSearch(const SearchProblem& problem)
    : topology_(*problem.topology),
      constraints_(*problem.constraints),
      work_limit_(problem.work_limit > 0 ? problem.work_limit : DefaultWorkLimit(topology_.num_slots())),
      patient_(problem.work_limit > 0),
      objective_(topology_, problem.num_experts),
      pairs_(topology_, constraints_, problem.num_experts) {
  usable_slots_.Resize(topology_.num_usable_slots());
  int count = 0;
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    if (!topology_.excluded(topology_.gpu_of_slot(slot))) usable_slots_[count++] = slot;
  }
  EPLB_CHECK(count == usable_slots_.size());
}

std::span<const std::int32_t> ShareSearch::HoldersOf(std::int32_t expert) const {
  return holders_.span().subspan(Index(first_holder_[expert]),
                                 Index(first_holder_[expert + 1] - first_holder_[expert]));
}

double ShareSearch::Value(std::span<const std::int32_t> slots) {
  work_.Charge(kValueWork * topology_.num_slots());
  return objective_.Value(slots);
}

void ShareSearch::ListHolders(std::span<const std::int32_t> slots) {
  const int num_experts = static_cast<int>(objective_.loads().size());
  first_holder_.Assign(num_experts + 1, 0);
  for (const std::int32_t slot : usable_slots_) {
    if (slots[Index(slot)] != kEmptySlot) ++first_holder_[slots[Index(slot)]];
  }
  for (int expert = 0; expert < num_experts; ++expert) first_holder_[expert + 1] += first_holder_[expert];
  holders_.Resize(first_holder_[num_experts]);
  for (int i = usable_slots_.size(); i-- > 0;) {
    const std::int32_t expert = slots[Index(usable_slots_[i])];
    if (expert != kEmptySlot) holders_[--first_holder_[expert]] = topology_.gpu_of_slot(usable_slots_[i]);
  }
}

// Of the slots that were valued last.
void ShareSearch::TakeStock(std::span<const std::int32_t> slots) {
  ListHolders(slots);
  const std::span<const double> loads = objective_.loads();
  const ShareOptimizer& optimizer = objective_.optimizer();
  hot_.Assign(topology_.num_gpus(), 0);
  hot_tokens_ = 0;
  hot_speed_ = 0;
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    const double load = optimizer.gpu_load()[Index(gpu)];
    if (topology_.excluded(gpu) || load < optimizer.max_load() * (1 - kSameLoad)) continue;
    hot_[gpu] = 1;
    hot_tokens_ += load * topology_.speed(gpu);
    hot_speed_ += topology_.speed(gpu);
  }
  sent_.Assign(topology_.num_slots(), 0.0);
  stuck_.Assign(static_cast<int>(loads.size()), 0);
  for (const std::int32_t slot : usable_slots_) {
    const std::int32_t expert = slots[Index(slot)];
    if (expert == kEmptySlot) continue;
    const int gpu = topology_.gpu_of_slot(slot);
    sent_[slot] = HoldersOf(expert).size() == 1 ? loads[Index(expert)] : optimizer.Sent(expert, gpu);
    if (hot_[gpu] != 0 && sent_[slot] > kSameLoad * hot_tokens_) stuck_[expert] = 1;
  }
}

bool ShareSearch::Holds(std::span<const std::int32_t> slots, int gpu, std::int32_t expert) const {
  for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
    if (slots[Index(slot)] == expert) return true;
  }
  return false;
}

// Whether the rules about nodes hold once the expert's replica on one GPU is on another instead; -1: on none.
bool ShareSearch::MayMove(std::int32_t expert, int from_gpu, int to_gpu) const {
  const auto node_of = [this](int gpu) { return gpu < 0 ? -1 : topology_.node_of_gpu(gpu); };
  const int from = node_of(from_gpu);
  const int to = node_of(to_gpu);
  if (from == to) return true;
  const std::span<const std::int32_t> holders = HoldersOf(expert);
  if (constraints_.honour_groups && to >= 0) return node_of(holders[0]) == to;
  if (constraints_.min_nodes_per_expert == 1) return true;
  int nodes = to < 0 ? 0 : 1;
  for (std::size_t i = 0; i < holders.size(); ++i) {
    if (holders[i] == from_gpu) continue;
    const int node = node_of(holders[i]);
    bool counted = node == to;
    for (std::size_t other = 0; other < i && !counted; ++other) {
      counted = holders[other] != from_gpu && node_of(holders[other]) == node;
    }
    nodes += counted ? 0 : 1;
  }
  return nodes >= constraints_.min_nodes_per_expert;
}

bool ShareSearch::MayExchange(std::span<const std::int32_t> slots, int slot, int other) const {
  const int gpu = topology_.gpu_of_slot(slot);
  const int other_gpu = topology_.gpu_of_slot(other);
  const std::int32_t given = slots[Index(slot)];
  const std::int32_t taken = slots[Index(other)];
  return gpu != other_gpu && given != taken && !Holds(slots, other_gpu, given) && !Holds(slots, gpu, taken) &&
         MayMove(given, gpu, other_gpu) && MayMove(taken, other_gpu, gpu);
}

bool ShareSearch::MayReplace(std::span<const std::int32_t> slots, int slot, std::int32_t expert) const {
  const int gpu = topology_.gpu_of_slot(slot);
  return !Holds(slots, gpu, expert) && MayMove(expert, -1, gpu) && MayMove(slots[Index(slot)], gpu, -1);
}

// given: stuck on hot GPUs, where it leaves one for the GPU of `other`, which holds `taken`.
double ShareSearch::ExchangeScore(std::int32_t given, int other, std::int32_t taken) const {
  const std::span<const double> loads = objective_.loads();
  const double speed = topology_.speed(topology_.gpu_of_slot(other));
  const double tokens = objective_.optimizer().gpu_load()[Index(topology_.gpu_of_slot(other))] * speed;
  const double taken_load = HoldersOf(taken).size() == 1 ? loads[Index(taken)] : 0;
  const double hot_after = (hot_tokens_ - loads[Index(given)] + taken_load) / hot_speed_;
  const double other_after = HoldersOf(given).size() == 1 ? (tokens - sent_[other] + loads[Index(given)]) / speed
                                                          : (hot_tokens_ + tokens) / (hot_speed_ + speed);
  return std::max(hot_after, other_after);
}

// expert: stuck on hot GPUs. dropped: has other replicas, one of which takes what the slot got.
double ShareSearch::ReplacementScore(std::int32_t expert, int other, std::int32_t dropped) const {
  const std::span<const double> gpu_load = objective_.optimizer().gpu_load();
  const int gpu = topology_.gpu_of_slot(other);
  const double speed = topology_.speed(gpu);
  const double tokens = gpu_load[Index(gpu)] * speed;
  double score = std::max((hot_tokens_ - objective_.loads()[Index(expert)]) / hot_speed_,
                          (hot_tokens_ + tokens - sent_[other]) / (hot_speed_ + speed));
  if (sent_[other] <= 0) return score;
  double least = -1;
  for (const std::int32_t holder : HoldersOf(dropped)) {
    if (holder == gpu) continue;
    const double after = gpu_load[Index(holder)] + sent_[other] / topology_.speed(holder);
    if (least < 0 || after < least) least = after;
  }
  return std::max(score, least);
}

void ShareSearch::Offer(const Move& move) {
  if (moves_.size() == kMostValued && move.score >= moves_[kMostValued - 1].score) return;
  int at = std::min(moves_.size(), kMostValued - 1);
  moves_.Resize(at + 1);
  for (; at > 0 && moves_[at - 1].score > move.score; --at) moves_[at] = moves_[at - 1];
  moves_[at] = move;
}

void ShareSearch::ScoreExchanges(std::span<const std::int32_t> slots) {
  const double limit = objective_.optimizer().max_load() * (1 - kLeastShareGain);
  for (const std::int32_t slot : usable_slots_) {
    const std::int32_t given = slots[Index(slot)];
    if (given == kEmptySlot || hot_[topology_.gpu_of_slot(slot)] == 0 || stuck_[given] == 0) continue;
    if (work_.exhausted()) return;
    work_.Charge(usable_slots_.size());
    for (const std::int32_t other : usable_slots_) {
      const std::int32_t taken = slots[Index(other)];
      if (taken == kEmptySlot || taken == given || hot_[topology_.gpu_of_slot(other)] != 0) continue;
      const double score = ExchangeScore(given, other, taken);
      if (score >= limit || (moves_.size() == kMostValued && score >= moves_[kMostValued - 1].score)) continue;
      if (MayExchange(slots, slot, other)) Offer({.score = score, .slot = slot, .other = other, .expert = given});
    }
  }
}

void ShareSearch::ScoreReplacements(std::span<const std::int32_t> slots) {
  const double limit = objective_.optimizer().max_load() * (1 - kLeastShareGain);
  const auto least = Index(std::max(constraints_.min_replicas, 1));
  for (const std::int32_t other : usable_slots_) {
    const std::int32_t dropped = slots[Index(other)];
    if (dropped == kEmptySlot || HoldersOf(dropped).size() <= least || hot_[topology_.gpu_of_slot(other)] != 0)
      continue;
    if (work_.exhausted()) return;
    work_.Charge(stuck_.size());
    for (std::int32_t expert = 0; expert < stuck_.size(); ++expert) {
      if (stuck_[expert] == 0 || expert == dropped) continue;
      const double score = ReplacementScore(expert, other, dropped);
      if (score >= limit || (moves_.size() == kMostValued && score >= moves_[kMostValued - 1].score)) continue;
      if (MayReplace(slots, other, expert)) Offer({.score = score, .slot = -1, .other = other, .expert = expert});
    }
  }
}

void ShareSearch::Apply(const Move& move, std::span<std::int32_t> slots) const {
  if (move.slot < 0) {
    slots[Index(move.other)] = move.expert;
  } else {
    std::swap(slots[Index(move.slot)], slots[Index(move.other)]);
  }
}

// Takes the first move that lowers the value. The slots were valued last.
bool ShareSearch::Step(std::span<std::int32_t> slots) {
  TakeStock(slots);
  moves_.Resize(0);
  ScoreExchanges(slots);
  ScoreReplacements(slots);
  for (int i = 0; i < moves_.size() && !work_.exhausted(); ++i) {
    trial_.Copy(slots);
    Apply(moves_[i], slots);
    const double value = Value(slots);
    if (value < value_ * (1 - kLeastShareGain)) {
      value_ = value;
      return true;
    }
    std::ranges::copy(trial_, slots.begin());
  }
  return false;
}

void ShareSearch::Descend(std::span<std::int32_t> slots) {
  while (!work_.exhausted() && Step(slots)) {
  }
}

// Gives a spare replica's slot to an expert that is stuck on hot GPUs, or to any.
bool ShareSearch::ShiftReplica(bool stuck, std::span<std::int32_t> slots) {
  const auto least = Index(std::max(constraints_.min_replicas, 1));
  for (int attempt = 0; attempt < 64; ++attempt) {
    const int slot = usable_slots_[random_.Below(usable_slots_.size())];
    const int other = usable_slots_[random_.Below(usable_slots_.size())];
    const std::int32_t taker = slots[Index(slot)];
    const std::int32_t giver = slots[Index(other)];
    if (taker == kEmptySlot || giver == kEmptySlot || taker == giver || HoldersOf(giver).size() <= least) continue;
    if (stuck && stuck_[taker] == 0) continue;
    if (!MayReplace(slots, other, taker)) continue;
    slots[Index(other)] = taker;
    return true;
  }
  return false;
}

void ShareSearch::Shake(int round, std::span<std::int32_t> slots) {
  if (round % 2 == 0) {
    TakeStock(slots);
    if (ShiftReplica(round % 4 == 0, slots)) return;
  }
  for (int i = 0; i < 2; ++i) {
    const int slot = usable_slots_[random_.Below(usable_slots_.size())];
    const int other = usable_slots_[random_.Below(usable_slots_.size())];
    if (slots[Index(slot)] == kEmptySlot || slots[Index(other)] == kEmptySlot) continue;
    if (constraints_.honour_groups || constraints_.min_nodes_per_expert > 1) ListHolders(slots);
    if (MayExchange(slots, slot, other)) std::swap(slots[Index(slot)], slots[Index(other)]);
  }
}

// Leaves the better of the slots and of what suits pairs, as those valued last.
void ShareSearch::TryPairs(double floor, std::span<std::int32_t> slots) {
  if (!pairs_.Applies(slots)) return;
  saved_.Copy(slots);
  pairs_.Run(objective_.loads(), floor, &random_, &work_, slots);
  const double value = Value(slots);
  if (value < value_ * (1 - kLeastShareGain)) {
    value_ = value;
    return;
  }
  std::ranges::copy(saved_, slots.begin());
  Value(slots);
}

void ShareSearch::Run(std::span<const SampleLoads> samples, double floor, std::span<std::int32_t> slots) {
  objective_.Reset(samples);
  work_ = WorkMeter(work_limit_);
  random_ = PseudoRandom(kSeed);
  const double enough = floor * (1 + kTolerance);
  best_ = value_ = Value(slots);
  if (best_ <= enough) return;
  TryPairs(floor, slots);
  if (value_ > enough) Descend(slots);
  best_ = value_;
  saved_.Copy(slots);
  std::int64_t last_success = work_.done();
  for (int round = 0; best_ > enough && !work_.exhausted(); ++round) {
    if (!patient_ && work_.done() > 2 * last_success + kPatience) break;
    Shake(round, slots);
    value_ = Value(slots);
    Descend(slots);
    if (value_ < best_ * (1 - kLeastShareGain)) {
      best_ = value_;
      saved_.Copy(slots);
      last_success = work_.done();
    } else {
      std::ranges::copy(saved_, slots.begin());
      Value(slots);
    }
  }
}

}  // namespace eplb
