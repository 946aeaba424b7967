#include "server/balancer/search/sample_search.h"

#include <algorithm>
#include <utility>

namespace eplb {
namespace {

constexpr std::uint64_t kSeed = 0x53414d50;
constexpr double kLeastGain = 1e-7;  // relative
constexpr double kTolerance = 1e-4;
constexpr std::int64_t kPatience = 50'000;

}  // namespace

// No placement brings any sample's maximum below its mean.
double SampleSearch::Floor() const {
  double total_speed = 0;
  for (const double speed : layout_->speed) total_speed += speed;
  double floor = 0;
  for (int expert = 0; expert < layout_->num_experts; ++expert) {
    for (int k = 0; k < samples_; ++k) floor += problem_->weights[k] * problem_->loads[expert * samples_ + k];
  }
  return floor / total_speed;
}

void SampleSearch::Recompute() {
  const ReplicaLayout& layout = *layout_;
  share_.Resize(layout.num_experts * samples_);
  for (int expert = 0; expert < layout.num_experts; ++expert) {
    for (int k = 0; k < samples_; ++k) {
      share_[expert * samples_ + k] = problem_->loads[expert * samples_ + k] / layout.replicas[expert];
    }
  }
  time_.Assign(layout.num_gpus * samples_, 0.0);
  for (int slot = 0; slot < layout.num_slots; ++slot) {
    const int gpu = layout.gpu_of[slot];
    for (int k = 0; k < samples_; ++k) {
      time_[gpu * samples_ + k] += Share(layout.expert_in[slot], k) / layout.speed[gpu];
    }
  }
  RankGpus();
}

void SampleSearch::RankGpus() {
  hottest_.Resize(samples_);
  objective_ = 0;
  for (int k = 0; k < samples_; ++k) {
    Hottest top{{-1, -1, -1}};
    for (int gpu = 0; gpu < layout_->num_gpus; ++gpu) {
      std::int32_t candidate = gpu;
      for (std::int32_t& place : top.gpu) {
        if (candidate >= 0 && (place < 0 || time_[candidate * samples_ + k] > time_[place * samples_ + k])) {
          std::swap(place, candidate);
        }
      }
    }
    hottest_[k] = top;
    objective_ += problem_->weights[k] * time_[top.gpu[0] * samples_ + k];
  }
}

double SampleSearch::MaxWithout(int sample, int gpu, int other) const {
  for (const std::int32_t hot : hottest_[sample].gpu) {
    if (hot >= 0 && hot != gpu && hot != other) return time_[hot * samples_ + sample];
  }
  return 0;
}

bool SampleSearch::MayExchange(int slot, int partner) const {
  const std::int32_t given = layout_->expert_in[slot];
  const std::int32_t taken = layout_->expert_in[partner];
  const int gpu = layout_->gpu_of[slot];
  const int other = layout_->gpu_of[partner];
  return given != taken && !layout_->Holds(other, given) && !layout_->Holds(gpu, taken) &&
         spread_.MayMove(given, gpu, other) && spread_.MayMove(taken, other, gpu);
}

// without_ is set for the two GPUs.
double SampleSearch::AfterExchange(int slot, int partner, double give_up) const {
  const int gpu = layout_->gpu_of[slot];
  const int other = layout_->gpu_of[partner];
  const std::int32_t given = layout_->expert_in[slot];
  const std::int32_t taken = layout_->expert_in[partner];
  double sum = 0;
  for (int k = 0; k < samples_; ++k) {
    const double moved = Share(given, k) - Share(taken, k);
    const double here = time_[gpu * samples_ + k] - moved / layout_->speed[gpu];
    const double there = time_[other * samples_ + k] + moved / layout_->speed[other];
    sum += problem_->weights[k] * std::max(without_[k], std::max(here, there));
    if (sum >= give_up) break;
  }
  return sum;
}

void SampleSearch::TryExchanges(int gpu, WorkMeter* work, Move* best) {
  const ReplicaLayout& layout = *layout_;
  without_.Resize(samples_);
  for (int other = 0; other < layout.num_gpus && !work->exhausted(); ++other) {
    if (other == gpu) continue;
    double least = 0;
    for (int k = 0; k < samples_; ++k) {
      without_[k] = MaxWithout(k, gpu, other);
      least += problem_->weights[k] * without_[k];
    }
    if (least >= best->objective) continue;
    work->Charge(std::int64_t{samples_} * layout.slots_on(gpu) * layout.slots_on(other));
    for (int slot = layout.first_slot[gpu]; slot < layout.first_slot[gpu + 1]; ++slot) {
      for (int partner = layout.first_slot[other]; partner < layout.first_slot[other + 1]; ++partner) {
        const double objective = AfterExchange(slot, partner, best->objective);
        if (objective < best->objective && MayExchange(slot, partner)) {
          *best = {.objective = objective, .slot = slot, .partner = partner};
        }
      }
    }
  }
}

// What the objective would be with `expert` in the slot instead of the one there.
double SampleSearch::AfterChange(int slot, std::int32_t expert) {
  const ReplicaLayout& layout = *layout_;
  const std::int32_t dropped = layout.expert_in[slot];
  const double fewer = static_cast<double>(layout.replicas[dropped]) / (layout.replicas[dropped] - 1);
  const double more = static_cast<double>(layout.replicas[expert]) / (layout.replicas[expert] + 1);
  changed_ = time_;
  const auto add = [&](int gpu, std::int32_t of, double factor) {
    for (int k = 0; k < samples_; ++k) changed_[gpu * samples_ + k] += factor * Share(of, k) / layout.speed[gpu];
  };
  for (int other = 0; other < layout.num_slots; ++other) {
    const int gpu = layout.gpu_of[other];
    if (other == slot) {
      add(gpu, dropped, -1);
      add(gpu, expert, more);
    } else if (layout.expert_in[other] == dropped) {
      add(gpu, dropped, fewer - 1);
    } else if (layout.expert_in[other] == expert) {
      add(gpu, expert, more - 1);
    }
  }
  double sum = 0;
  for (int k = 0; k < samples_; ++k) {
    double max = 0;
    for (int gpu = 0; gpu < layout.num_gpus; ++gpu) max = std::max(max, changed_[gpu * samples_ + k]);
    sum += problem_->weights[k] * max;
  }
  return sum;
}

void SampleSearch::TryChange(int slot, std::int32_t expert, WorkMeter* work, Move* best) {
  const std::int32_t dropped = layout_->expert_in[slot];
  const int gpu = layout_->gpu_of[slot];
  if (dropped == expert || layout_->replicas[dropped] <= problem_->min_replicas || layout_->replicas[dropped] < 2)
    return;
  if (!spread_.MayDrop(dropped, gpu) || layout_->Holds(gpu, expert)) return;
  work->Charge(layout_->num_slots + std::int64_t{samples_} * layout_->num_gpus);
  const double objective = AfterChange(slot, expert);
  if (objective < best->objective) *best = {.objective = objective, .slot = slot, .partner = -1, .expert = expert};
}

// Another replica elsewhere for an expert of the GPU, or another expert for a replica on it.
void SampleSearch::TryChanges(int gpu, WorkMeter* work, Move* best) {
  for (int hot = layout_->first_slot[gpu]; hot < layout_->first_slot[gpu + 1]; ++hot) {
    const std::int32_t expert = layout_->expert_in[hot];
    for (int slot = 0; slot < layout_->num_slots && !work->exhausted(); ++slot) {
      if (layout_->gpu_of[slot] != gpu) TryChange(slot, expert, work, best);
    }
    for (std::int32_t other = 0; other < layout_->num_experts && !work->exhausted(); ++other) {
      TryChange(hot, other, work, best);
    }
  }
}

void SampleSearch::ExchangeSlots(int slot, int partner) {
  const int gpu = layout_->gpu_of[slot];
  const int other = layout_->gpu_of[partner];
  const std::int32_t given = layout_->expert_in[slot];
  const std::int32_t taken = layout_->expert_in[partner];
  spread_.Remove(given, gpu);
  spread_.Add(given, other);
  spread_.Remove(taken, other);
  spread_.Add(taken, gpu);
  for (int k = 0; k < samples_; ++k) {
    const double moved = Share(given, k) - Share(taken, k);
    time_[gpu * samples_ + k] -= moved / layout_->speed[gpu];
    time_[other * samples_ + k] += moved / layout_->speed[other];
  }
  std::swap(layout_->expert_in[slot], layout_->expert_in[partner]);
}

void SampleSearch::Apply(const Move& move) {
  if (move.partner >= 0) {
    ExchangeSlots(move.slot, move.partner);
    RankGpus();
    return;
  }
  const std::int32_t dropped = layout_->expert_in[move.slot];
  spread_.Remove(dropped, layout_->gpu_of[move.slot]);
  spread_.Add(move.expert, layout_->gpu_of[move.slot]);
  layout_->SetReplicas(dropped, layout_->replicas[dropped] - 1);
  layout_->SetReplicas(move.expert, layout_->replicas[move.expert] + 1);
  layout_->expert_in[move.slot] = move.expert;
  Recompute();
}

// One step down. Samples in order; the first whose hottest GPU has a move takes it.
bool SampleSearch::Descend(WorkMeter* work) {
  const double limit = objective_ * (1 - kLeastGain);
  for (const bool exchanges : {true, false}) {
    for (int k = 0; k < samples_; ++k) {
      Move best{.objective = limit};
      if (exchanges) {
        TryExchanges(hottest_[k].gpu[0], work, &best);
      } else {
        TryChanges(hottest_[k].gpu[0], work, &best);
      }
      if (best.slot >= 0) {
        Apply(best);
        return true;
      }
      if (work->exhausted()) return false;
    }
  }
  return false;
}

void SampleSearch::Shake() {
  const int exchanges = 2 + layout_->num_slots / 64;
  for (int i = 0; i < exchanges; ++i) {
    const int slot = random_.Below(layout_->num_slots);
    const int partner = random_.Below(layout_->num_slots);
    if (layout_->gpu_of[slot] != layout_->gpu_of[partner] && MayExchange(slot, partner)) ExchangeSlots(slot, partner);
  }
}

void SampleSearch::Run(const Problem& problem, bool patient, WorkMeter* work, ReplicaLayout* layout) {
  problem_ = &problem;
  layout_ = layout;
  samples_ = problem.weights.size();
  random_ = PseudoRandom(kSeed);
  spread_.Reset(problem.min_nodes, problem.node_of.span(), *layout);
  spread_.Repair(problem.min_replicas, layout);
  Recompute();
  const double enough = Floor() * (1 + kTolerance);
  while (!work->exhausted() && objective_ > enough && Descend(work)) {
  }
  double best = objective_;
  saved_slots_ = layout->expert_in;
  saved_replicas_ = layout->replicas;
  std::int64_t last_success = work->done();
  while (!work->exhausted() && best > enough && layout->num_gpus > 1 &&
         (patient || work->done() <= 2 * last_success + kPatience)) {
    Shake();
    Recompute();
    work->Charge(std::int64_t{samples_} * layout->num_slots);
    while (!work->exhausted() && objective_ > enough && Descend(work)) {
    }
    if (objective_ < best * (1 - kLeastGain)) {
      best = objective_;
      saved_slots_ = layout->expert_in;
      saved_replicas_ = layout->replicas;
      last_success = work->done();
      continue;
    }
    layout->expert_in = saved_slots_;
    for (int expert = 0; expert < layout->num_experts; ++expert) layout->SetReplicas(expert, saved_replicas_[expert]);
    spread_.Reset(problem.min_nodes, problem.node_of.span(), *layout);
    Recompute();
  }
  layout->expert_in = saved_slots_;
  for (int expert = 0; expert < layout->num_experts; ++expert) layout->SetReplicas(expert, saved_replicas_[expert]);
  objective_ = best;
}

}  // namespace eplb
