#include "server/balancer/search/layer_search.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "server/balancer/search/group_nodes.h"
#include "server/base/check.h"
#include "server/model/placement.h"

namespace eplb {
namespace {

constexpr double kTolerance = 1e-4;
constexpr double kLeastTolerance = 1e-6;
// A layer of which more than this is lost within its nodes is placed on other nodes too.
constexpr double kNodesTolerance = 0.005;
constexpr int kWorkPerSlot = 200;  // what placing on other nodes takes at least, in evaluated moves
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Who sets a high work limit wants more than what is good enough for all others.
double ToleranceFor(std::int64_t work_limit, std::int64_t default_limit) {
  if (work_limit <= default_limit) return kTolerance;
  return std::max(kLeastTolerance, kTolerance * static_cast<double>(default_limit) / static_cast<double>(work_limit));
}

}  // namespace

std::int64_t DefaultWorkLimit(int num_slots) {
  return std::min<std::int64_t>(200'000 + 1000 * std::int64_t{num_slots}, 2'400'000);
}

LayerSearch::LayerSearch(const SearchProblem& problem)
    : topology_(*problem.topology),
      constraints_(*problem.constraints),
      num_experts_(problem.num_experts),
      work_limit_(problem.work_limit) {
  EPLB_CHECK(num_experts_ >= 1 && topology_.num_usable_slots() >= num_experts_);
  if (ByGroups()) nodes_ = NodesForGroups(topology_, num_experts_, constraints_.min_replicas);
  if (ReferenceIsDefined()) reference_.emplace(ReferenceShapeOf());
}

int LayerSearch::LeastReplicas() const {
  return std::max(constraints_.min_replicas, constraints_.min_nodes_per_expert);
}

bool LayerSearch::ByGroups() const { return constraints_.honour_groups && topology_.num_nodes() > 1; }

ReferenceShape LayerSearch::ReferenceShapeOf() const {
  return ByGroups() ? HierarchicalShape(num_experts_, topology_) : GlobalShape(num_experts_, topology_);
}

bool LayerSearch::ReferenceIsDefined() const {
  return topology_.is_uniform() && (!ByGroups() || topology_.has_block_nodes()) && LeastReplicas() == 1 &&
         ValidateReferenceShape(ReferenceShapeOf()).ok();
}

int LayerSearch::GroupOf(int expert) const { return expert / (num_experts_ / topology_.num_groups()); }

// Sets kept_ for the GPUs of a node, or all: as even as their own numbers allow, `budget` in all.
void LayerSearch::ShareAmong(std::optional<int> node, int budget) {
  const auto takes_part = [&](int i) { return !node || topology_.node_of_gpu(gpus_[i]) == *node; };
  const auto used_at = [&](int level) {
    int used = 0;
    for (int i = 0; i < gpus_.size(); ++i) used += takes_part(i) ? std::min(slots_on_[i], level) : 0;
    return used;
  };
  // The highest level, slots per GPU, at which the budget is kept; what is left of it goes to the fastest GPUs above.
  int level = 0;
  for (int high = experts_.size(); level < high;) {
    const int middle = (level + high + 1) / 2;
    if (used_at(middle) <= budget) {
      level = middle;
    } else {
      high = middle - 1;
    }
  }
  for (int i = 0; i < gpus_.size(); ++i) {
    if (takes_part(i)) kept_[i] = std::min(slots_on_[i], level);
  }
  int rest = budget - used_at(level);
  if (rest == 0) return;
  fastest_first_.Resize(gpus_.size());
  std::iota(fastest_first_.begin(), fastest_first_.end(), 0);
  std::ranges::sort(fastest_first_, [this](std::int32_t left, std::int32_t right) {
    const double left_speed = topology_.speed(gpus_[left]);
    const double right_speed = topology_.speed(gpus_[right]);
    return left_speed != right_speed ? left_speed > right_speed : left < right;
  });
  for (const std::int32_t i : fastest_first_) {
    if (rest == 0) break;
    if (!takes_part(i) || slots_on_[i] <= level) continue;
    ++kept_[i];
    --rest;
  }
}

// Shares kept_ anew where it leaves a node too few slots for the rule about nodes. A node holds an expert once for the
// rule, so it can use no more slots for it than there are experts: what a node has beyond goes to nodes that have less,
// first to first, until the experts find their nodes.
void LayerSearch::ShareForNodes() {
  const int num_experts = experts_.size();
  node_budget_.Assign(topology_.num_nodes(), 0);
  node_spare_.Assign(topology_.num_nodes(), 0);
  for (int i = 0; i < gpus_.size(); ++i) {
    node_budget_[topology_.node_of_gpu(gpus_[i])] += kept_[i];
    node_spare_[topology_.node_of_gpu(gpus_[i])] += slots_on_[i] - kept_[i];
  }
  int missing = num_experts * constraints_.min_nodes_per_expert;
  for (const std::int32_t slots : node_budget_) missing -= std::min(slots, num_experts);
  if (missing <= 0) return;
  int giver = 0;
  for (int node = 0; node < node_budget_.size(); ++node) {
    const int wanted = std::min({missing, num_experts - node_budget_[node], node_spare_[node]});
    for (int taken = 0; taken < wanted; ++taken) {
      while (giver < node_budget_.size() && node_budget_[giver] <= num_experts) ++giver;
      if (giver == node_budget_.size()) break;
      --node_budget_[giver];
      ++node_budget_[node];
      --missing;
    }
  }
  for (int node = 0; node < node_budget_.size(); ++node) ShareAmong(node, node_budget_[node]);
}

// The slots that gpus_ may use: `budget` in all, no more on a GPU than there are experts_ (the others would only hold
// twins). GPUs left without a slot leave gpus_.
void LayerSearch::ShareBudget(int budget) {
  slots_on_.Resize(gpus_.size());
  for (int i = 0; i < gpus_.size(); ++i) slots_on_[i] = std::min(topology_.slots_on(gpus_[i]), experts_.size());
  kept_.Assign(gpus_.size(), 0);
  ShareAmong(std::nullopt, budget);
  if (constraints_.min_nodes_per_expert > 1) ShareForNodes();
  int left = 0;
  for (int i = 0; i < gpus_.size(); ++i) {
    if (kept_[i] == 0) continue;
    gpus_[left] = gpus_[i];
    slots_on_[left++] = kept_[i];
  }
  gpus_.Resize(left);
  slots_on_.Resize(left);
}

// Slots that no packing can use without twins: GPU by GPU, the experts that it holds once more, in the same order.
void LayerSearch::RepeatExperts(int budget) {
  for (const std::int32_t slots : slots_on_) budget -= slots;
  for (int i = 0; i < gpus_.size(); ++i) {
    const int first = topology_.first_slot(gpus_[i]);
    if (slots_on_[i] < experts_.size()) continue;
    for (int k = slots_on_[i]; k < topology_.slots_on(gpus_[i]) && budget > 0; ++k, --budget) {
      result_[first + k] = result_[first + k - experts_.size()];
    }
  }
}

// Packs experts_ onto gpus_ with `budget` slots and writes the slots into the result. Returns the maximum load per
// speed.
double LayerSearch::Place(int budget, double enough, std::int64_t work_limit) {
  ShareBudget(budget);
  const int num_experts = experts_.size();
  const int num_gpus = gpus_.size();
  speeds_.Resize(num_gpus);
  for (int i = 0; i < num_gpus; ++i) speeds_[i] = topology_.speed(gpus_[i]);
  expert_loads_.Resize(num_experts);
  for (int i = 0; i < num_experts; ++i) expert_loads_[i] = loads_[experts_[i]];
  const int slots = std::accumulate(slots_on_.begin(), slots_on_.end(), 0);
  const PackingProblem problem{.loads = expert_loads_.span(),
                               .slots_on = slots_on_.span(),
                               .speed = speeds_.span(),
                               .min_replicas = std::min({LeastReplicas(), num_gpus, slots / num_experts})};
  // With several samples the search for their mean only prepares the one for them all.
  const std::int64_t mean_work = samples_.size() > 1 ? work_limit / 2 : work_limit;
  WorkMeter mean_meter(mean_work);
  packing_.Run(problem,
               {.tolerance = ToleranceFor(work_limit_, DefaultWorkLimit(topology_.num_slots())),
                .enough = enough,
                .patient = work_limit_ > 0},
               &mean_meter);
  if (reference_ && !ByGroups() && slots == topology_.num_slots() && !packing_.GoodEnough()) {
    reference_->Run(loads_.span());
    packing_.Offer(reference_->physical_to_logical(), &mean_meter);
  }
  WorkMeter work(work_limit - std::min(work_limit, mean_meter.done()));
  double max = packing_.best_max();
  layout_ = packing_.best();
  if (samples_.size() > 1 || constraints_.min_nodes_per_expert > 1) max = PlaceSamples(problem.min_replicas, &work);
  work_done_ += mean_meter.done() + work.done();
  for (int slot = 0; slot < layout_.num_slots; ++slot) {
    const int gpu = layout_.gpu_of[slot];
    result_[topology_.first_slot(gpus_[gpu]) + slot - layout_.first_slot[gpu]] = experts_[layout_.expert_in[slot]];
  }
  RepeatExperts(budget);
  return max;
}

// Improves layout_ for all samples and the rule about nodes. Returns the objective.
double LayerSearch::PlaceSamples(int min_replicas, WorkMeter* work) {
  const int num_samples = static_cast<int>(samples_.size());
  sample_problem_.min_replicas = min_replicas;
  sample_problem_.min_nodes = constraints_.min_nodes_per_expert;
  sample_problem_.weights.Resize(num_samples);
  sample_problem_.loads.Resize(experts_.size() * num_samples);
  for (int k = 0; k < num_samples; ++k) {
    const SampleLoads& sample = samples_[static_cast<std::size_t>(k)];
    sample_problem_.weights[k] = sample.weight / total_weight_;
    for (int i = 0; i < experts_.size(); ++i) {
      sample_problem_.loads[i * num_samples + k] = sample.loads[static_cast<std::size_t>(experts_[i])];
    }
  }
  sample_problem_.node_of.Resize(gpus_.size());
  for (int i = 0; i < gpus_.size(); ++i) sample_problem_.node_of[i] = topology_.node_of_gpu(gpus_[i]);
  sample_search_.Run(sample_problem_, work_limit_ > 0, work, &layout_);
  return sample_search_.objective();
}

// The usable GPUs of a node, or all.
void LayerSearch::CollectGpus(std::optional<int> node) {
  gpus_.Resize(topology_.num_gpus());
  int count = 0;
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    if (!topology_.excluded(gpu) && topology_.slots_on(gpu) > 0 && (!node || topology_.node_of_gpu(gpu) == *node)) {
      gpus_[count++] = gpu;
    }
  }
  gpus_.Resize(count);
}

std::span<const std::int32_t> LayerSearch::NodesOfGroups() {
  group_loads_.Assign(topology_.num_groups(), 0.0);
  for (int expert = 0; expert < num_experts_; ++expert) group_loads_[GroupOf(expert)] += loads_[expert];
  return group_packing_.Run(group_loads_.span(), nodes_);
}

// Every node gets the slots that its experts need; what the budget leaves is shared in proportion to the slots that
// the nodes could still use, the first nodes getting the rest of the division.
void LayerSearch::ShareBudgetAmongNodes(std::span<const std::int32_t> node_of_group, int budget) {
  const int num_nodes = topology_.num_nodes();
  const int group_size = num_experts_ / topology_.num_groups();
  node_budget_.Assign(num_nodes, 0);
  for (const std::int32_t node : node_of_group) node_budget_[node] += group_size * constraints_.min_replicas;
  node_spare_.Assign(num_nodes, 0);
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    const int node = topology_.node_of_gpu(gpu);
    if (!topology_.excluded(gpu) && node_budget_[node] > 0) node_spare_[node] += topology_.slots_on(gpu);
  }
  std::int64_t spare = 0;
  std::int64_t left = budget;
  for (int node = 0; node < num_nodes; ++node) {
    node_spare_[node] -= node_budget_[node];
    spare += node_spare_[node];
    left -= node_budget_[node];
  }
  left = std::min(left, spare);
  std::int64_t given = 0;
  for (int node = 0; node < num_nodes && spare > 0; ++node) {
    const auto share = static_cast<std::int32_t>(left * node_spare_[node] / spare);
    node_budget_[node] += share;
    node_spare_[node] -= share;
    given += share;
  }
  for (int node = 0; given < left; node = (node + 1) % num_nodes) {
    if (node_spare_[node] == 0) continue;
    --node_spare_[node];
    ++node_budget_[node];
    ++given;
  }
}

void LayerSearch::PlaceByGroups(int budget, std::int64_t work_limit) {
  const std::span<const std::int32_t> node_of_group = NodesOfGroups();
  EPLB_CHECK(!node_of_group.empty());
  double max = PlaceOnNodes(node_of_group, budget, 0, kInfinity, work_limit);
  if (samples_.size() > 1) return;
  if (max > group_packing_.max() * (1 + kNodesTolerance)) max = TryOtherNodes(max, budget, work_limit);
  if (reference_ && budget >= topology_.num_slots()) TakeReferenceIfBetter(max);
}

// Places every node's groups on it. The node that carries most is placed first: below its maximum, and `enough`, the
// others have nothing to gain. Returns the maximum, or with the result of no use once it is give_up at least.
double LayerSearch::PlaceOnNodes(std::span<const std::int32_t> node_of_group, int budget, double enough, double give_up,
                                 std::int64_t work_limit) {
  ShareBudgetAmongNodes(node_of_group, budget);
  const int num_nodes = topology_.num_nodes();
  node_load_.Assign(num_nodes, 0.0);
  for (int group = 0; group < topology_.num_groups(); ++group) {
    const int node = node_of_group[static_cast<std::size_t>(group)];
    node_load_[node] += group_loads_[group] / nodes_[static_cast<std::size_t>(node)].speed;
  }
  node_order_.Resize(num_nodes);
  std::iota(node_order_.begin(), node_order_.end(), 0);
  std::ranges::sort(node_order_, [this](std::int32_t left, std::int32_t right) {
    return node_load_[left] != node_load_[right] ? node_load_[left] > node_load_[right] : left < right;
  });
  double max = enough;
  for (const std::int32_t node : node_order_) {
    int count = 0;
    experts_.Resize(num_experts_);
    for (int expert = 0; expert < num_experts_; ++expert) {
      if (node_of_group[static_cast<std::size_t>(GroupOf(expert))] == node) experts_[count++] = expert;
    }
    experts_.Resize(count);
    if (count == 0) continue;
    CollectGpus(node);
    max = std::max(max, Place(node_budget_[node], max, work_limit / num_nodes));
    if (max >= give_up) break;
  }
  return max;
}

// Nodes that carry nearly the same may hold experts that share them badly: where what is found is far from what the
// nodes carry, other assignments may allow more. Takes half of the work limit more at most. Returns the maximum of
// the result.
double LayerSearch::TryOtherNodes(double max, int budget, std::int64_t work_limit) {
  const double bound = group_packing_.max();
  const std::int64_t last_work = work_done_ + work_limit / 2;
  best_result_ = result_;
  group_packing_.VisitBelow(max, [&](std::span<const std::int32_t> node_of_group) {
    result_.Assign(topology_.num_slots(), kEmptySlot);
    work_done_ += std::int64_t{kWorkPerSlot} * topology_.num_slots();
    const double other =
        PlaceOnNodes(node_of_group, budget, bound, max, std::max<std::int64_t>(0, last_work - work_done_));
    if (other < max) {
      max = other;
      best_result_ = result_;
    }
    return work_done_ < last_work ? max : 0.0;
  });
  result_ = best_result_;
  return max;
}

// For groups, where the reference may find better company for a hot expert than the best-balanced nodes allow.
void LayerSearch::TakeReferenceIfBetter(double max) {
  reference_->Run(loads_.span());
  const std::span<const std::int32_t> slots = reference_->physical_to_logical();
  const std::span<const std::int32_t> counts = reference_->expert_count();
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    double load = 0;
    for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
      const auto expert = slots[static_cast<std::size_t>(slot)];
      load += loads_[expert] / counts[static_cast<std::size_t>(expert)];
      for (int other = topology_.first_slot(gpu); other < slot; ++other) {
        if (slots[static_cast<std::size_t>(other)] == expert) return;
      }
    }
    if (load / topology_.speed(gpu) >= max) return;
  }
  std::ranges::copy(slots, result_.begin());
}

std::span<const std::int32_t> LayerSearch::Run(std::span<const SampleLoads> samples, int slot_budget) {
  EPLB_CHECK(!samples.empty() && slot_budget >= num_experts_);
  samples_ = samples;
  total_weight_ = 0;
  for (const SampleLoads& sample : samples) total_weight_ += sample.weight;
  loads_.Assign(num_experts_, 0.0);
  for (const SampleLoads& sample : samples) {
    const double share = samples.size() == 1 ? 1.0 : sample.weight / total_weight_;
    for (int expert = 0; expert < num_experts_; ++expert) {
      loads_[expert] += share * sample.loads[static_cast<std::size_t>(expert)];
    }
  }
  result_.Assign(topology_.num_slots(), kEmptySlot);
  work_done_ = 0;
  const std::int64_t work_limit = work_limit_ > 0 ? work_limit_ : DefaultWorkLimit(topology_.num_slots());
  if (ByGroups()) {
    PlaceByGroups(slot_budget, work_limit);
  } else {
    experts_.Resize(num_experts_);
    std::iota(experts_.begin(), experts_.end(), 0);
    CollectGpus(std::nullopt);
    Place(slot_budget, 0.0, work_limit);
  }
  return result_.span();
}

}  // namespace eplb
